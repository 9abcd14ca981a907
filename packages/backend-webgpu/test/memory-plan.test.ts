import type { Architecture } from '@kora-bench/core/nn';
import { vitArchitecture } from '@kora-bench/core/nn';
import { batchOf } from '@kora-bench/core/passes';
import type { MethodDefinition } from '@kora-bench/core/peft';
import { buildTrainProgram, defaultAdamW } from '@kora-bench/core/training';
import full from '@kora-bench/method-full';
import lora from '@kora-bench/method-lora';
import { classificationTask } from '@kora-bench/tasks';
import { vitTiny, vitTinyConfig } from '@kora-bench/testing/vit-configs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { BufferUse } from '../src/compile/plan-buffers.js';
import { planBuffers } from '../src/compile/plan-buffers.js';
import { planMemory } from '../src/compile/plan-memory.js';
import { planParts, planWhole } from '../src/compile/plan-run.js';
import { lowerProgram } from '../src/compile/prepare-program.js';
import { scheduleRun } from '../src/compile/schedule-run.js';
import type { KernelTarget } from '../src/kernels/kernel-target.js';

/*
 * Plans need no device, and a device's memory would keep the models small; so these tests call the planner
 * itself.
 */

const alignment = 256;

/** Steps that each write one or two new values and read some of those before. */
const randomUses = fc
  .array(
    fc.record({
      writes: fc.integer({ min: 1, max: 2 }),
      reads: fc.array(fc.nat(), { maxLength: 4 }),
    }),
    { minLength: 1, maxLength: 40 },
  )
  .map((steps): BufferUse[] => {
    let known = 0;
    return steps.map(({ writes, reads }) => {
      const first = known;
      known += writes;
      const written = Array.from({ length: writes }, (_, i) => first + i);
      return { writes: written, reads: first === 0 ? [] : [...new Set(reads.map((n) => n % first))] };
    });
  });

it('never gives memory to two values at once, nor one buffer to what a step reads and what it writes', () => {
  fc.assert(
    fc.property(randomUses, fc.array(fc.integer({ min: 1, max: 5000 }), { minLength: 1 }), (uses, sizes) => {
      const bytesOf = (id: number) => 4 * sizes[id % sizes.length]!;
      const kept = new Set([0]);
      const { buffers, lowerBoundBytes } = planBuffers(uses, bytesOf, kept, alignment);
      const heldBy = new Map(
        buffers.flatMap((buffer) => buffer.held.map((value) => [value.id, { ...value, buffer }] as const)),
      );
      const written = uses.flatMap(({ writes }) => writes);
      expect([...heldBy.keys()].sort((a, b) => a - b)).toEqual(written);

      let most = 0;
      uses.forEach(({ writes, reads }, step) => {
        const isAlive = (id: number) =>
          uses.findIndex((use) => use.writes.includes(id)) <= step &&
          (kept.has(id) || uses.findLastIndex((use) => [...use.writes, ...use.reads].includes(id)) >= step);
        const alive = written.filter(isAlive).map((id) => heldBy.get(id)!);
        most = Math.max(
          most,
          alive.reduce((sum, { bytes }) => sum + bytes, 0),
        );
        for (const { id, offset, bytes, buffer } of alive) {
          expect(bytes).toBe(bytesOf(id));
          expect(offset % alignment).toBe(0);
          expect(offset + bytes).toBeLessThanOrEqual(buffer.bytes);
          for (const other of alive) {
            const together = other.id !== id && other.buffer === buffer;
            const apart = other.offset >= offset + bytes || offset >= other.offset + other.bytes;
            expect(!together || apart).toBe(true);
          }
        }
        for (const write of writes)
          for (const read of reads) expect(heldBy.get(write)!.buffer).not.toBe(heldBy.get(read)!.buffer);
      });
      expect(lowerBoundBytes).toBe(most);
    }),
  );
});

const vitBase = vitArchitecture({
  ...vitTinyConfig,
  name: 'ViT-B/16',
  width: 768,
  heads: 12,
  mlpWidth: 3072,
});

/** A GPU with the limits that every WebGPU device has. */
const target: KernelTarget = {
  sharing: { kind: 'workgroup' },
  shuffles: false,
  quads: true,
  workgroupBytes: 16_384,
  precision: 'f32',
  mostBuffers: 8,
};

function lowered(model: Architecture, definition: MethodDefinition, batchSize: number) {
  const { program } = buildTrainProgram({
    model,
    method: { definition, options: definition.options.parse({}) },
    task: classificationTask(100),
    batchSize,
    stage: 'all',
    trains: ({ owner }) => definition === full || owner !== 'backbone',
    optimizer: defaultAdamW,
  });
  return lowerProgram(program);
}

describe.each([vitTiny, vitBase])('a training step of $name', { timeout: 60_000 }, (model) => {
  describe.each([lora, full] as const)('with $name', (method) => {
    it.each([2, 16, 32])('at batch %i takes at most 1.2 times what is alive at once', (batch) => {
      const program = lowered(model, method as MethodDefinition, batch);
      const memoryOf = (parts: number) => {
        const run = parts === 1 ? planWhole(program, target) : planParts(program, batch, parts, target)!;
        return planMemory(scheduleRun(run, target), alignment).memory;
      };
      expect(batchOf(program)).toBe(batch);
      for (const parts of new Set([1, 2, batch / 2, batch])) {
        const { plannedBytes, lowerBoundBytes } = memoryOf(parts);
        expect(plannedBytes / lowerBoundBytes, `${parts} part(s)`).toBeLessThanOrEqual(1.2);
      }
    });
  });

  it('in two parts takes about half of what the batch takes at once', () => {
    const program = lowered(model, lora as MethodDefinition, 16);
    const whole = planMemory(scheduleRun(planWhole(program, target), target), alignment).memory;
    const half = planMemory(scheduleRun(planParts(program, 16, 2, target)!, target), alignment).memory;
    expect(half.plannedBytes / whole.plannedBytes).toBeLessThan(0.55);
    expect(half.weightBytes).toBe(whole.weightBytes);
    expect(half.stateBytes).toBe(whole.stateBytes);
  });
});
