import type { ProgramMemory } from '@kora-bench/core/backend';
import type { NodeId } from '@kora-bench/core/graph';
import { sizeOf } from '@kora-bench/core/graph';
import { requireBufferSize } from '../device/buffers.js';
import { MemoryError } from '../device/errors.js';
import { storedBytes } from '../wgsl/numbers.js';
import type { BufferUse, PlannedBuffer } from './plan-buffers.js';
import { planBuffers } from './plan-buffers.js';
import type { Schedule, ScheduledValue } from './schedule.js';

/** Where the values of a run are. */
export interface MemoryPlan {
  /** Shared by feeds and computed values. */
  readonly buffers: readonly PlannedBuffer[];
  /** Frozen weights and constants, each in a buffer of its own. */
  readonly weights: readonly ScheduledValue[];
  /** The state whose next value a computed value is written into, by value. */
  readonly intoStates: ReadonlyMap<NodeId, string>;
  readonly memory: ProgramMemory;
}

/**
 * Says where each value of a run is.
 * @param alignment of offsets in buffers that kernels are given, bytes
 */
export function planMemory(schedule: Schedule, alignment: number): MemoryPlan {
  const { values, outputs, updates, body } = schedule;
  const uses = usesOf(schedule);
  const results = new Set([...outputs.values(), ...updates.values()]);
  const read = new Set([...uses.flatMap(({ reads }) => reads), ...results]);
  const weights = values.filter(
    ({ id, op }) => read.has(id) && (op.kind === 'frozen' || op.kind === 'constant'),
  );
  const intoStates = valuesIntoStates(schedule);
  const plannedBytes = (id: NodeId) => (intoStates.has(id) ? undefined : bytesOf(values[id]!));
  const { buffers, lowerBoundBytes } = planBuffers(uses, plannedBytes, results, alignment);
  return {
    buffers,
    weights,
    intoStates,
    memory: {
      plannedBytes: total(buffers.map(({ bytes }) => bytes)),
      lowerBoundBytes,
      weightBytes: total(weights.map(bytesOf)),
      stateBytes: stateBytes(schedule),
      parts: body?.parts ?? 1,
    },
  };
}

/** Bytes of a value in its buffer, which WebGPU wants to be whole words. */
export function bytesOf({ shape, storage }: ScheduledValue): number {
  return 4 * Math.ceil((storedBytes(storage) * sizeOf(shape)) / 4);
}

/** What the run writes and reads, uploads and copies included. A body counts once: each part does the same. */
function usesOf({ feeds, before, body, after }: Schedule): BufferUse[] {
  const once = [{ writes: feeds.map(({ to }) => to), reads: [] }, ...before.map(({ code }) => code)];
  if (body === undefined) return once;
  const results = [...body.totals, ...body.joined.map(({ to }) => to)];
  const blocks = [...body.fed, ...body.blocks].map(({ to }) => to);
  const inPart = body.steps.map(({ code }) => code);
  const ownOfPart = new Set([...blocks, ...inPart.flatMap(({ writes }) => writes)]);
  const copied = body.blocks.map(({ from }) => from);
  // What the parts are handed must last until the last one has read it.
  const handed = [...inPart.flatMap(({ reads }) => reads), ...copied].filter((id) => !ownOfPart.has(id));
  return [
    ...once,
    { writes: results, reads: body.joined.map(({ from }) => from) },
    { writes: blocks, reads: copied },
    ...inPart,
    { writes: [], reads: [...results, ...body.joined.map(({ from }) => from), ...handed] },
    ...after.map(({ code }) => code),
  ];
}

/** Updates that a kernel can write straight into the next value of their state. */
function valuesIntoStates({ updates, before, body, after }: Schedule): Map<NodeId, string> {
  const steps = [...before, ...(body?.steps ?? []), ...after];
  const written = new Set(steps.flatMap(({ code }) => code.writes));
  // Of two states with the same new value, one is written and the other copied.
  return new Map([...updates].flatMap(([name, id]) => (written.has(id) ? [[id, name] as const] : [])));
}

function stateBytes({ values, updates }: Schedule): number {
  const states = new Map(
    values.flatMap((value) => (value.op.kind === 'state' ? [[value.op.name, value]] : [])),
  );
  const current = [...states].map(([name, value]) => (updates.has(name) ? 0 : bytesOf(value)));
  const updated = [...updates.values()].map((id) => 2 * bytesOf(values[id]!));
  return total([...current, ...updated]);
}

function total(numbers: readonly number[]): number {
  return numbers.reduce((sum, number) => sum + number, 0);
}

/**
 * Refuses a plan that the device has no room for.
 * @param limitBytes what a program may take with its states; absent: whatever the device has
 * @throws MemoryError naming the value at fault when the device cannot run the schedule in one buffer per
 *   value and one dispatch per kernel, or the limit is exceeded
 */
export function requireFit(
  device: GPUDevice,
  { values, before, body, after }: Schedule,
  { buffers, weights, memory }: MemoryPlan,
  limitBytes: number | undefined,
): void {
  for (const value of weights) requireBufferSize(device, bytesOf(value), value.label);
  for (const {
    bytes,
    held: [largest],
  } of buffers)
    requireBufferSize(device, bytes, values[largest!.id]!.label);
  for (const { code, label } of [...before, ...(body?.steps ?? []), ...after])
    requireGrid(device, code.workgroups, label);

  const { plannedBytes, weightBytes, stateBytes } = memory;
  const all = plannedBytes + weightBytes + stateBytes;
  if (limitBytes === undefined || all <= limitBytes) return;
  const largest = [...weights, ...buffers.map((buffer) => values[buffer.held[0]!.id]!)].sort(
    (a, b) => bytesOf(b) - bytesOf(a),
  )[0];
  const largestBytes =
    largest === undefined ? '' : `; the largest is the ${largest.label} with ${bytesOf(largest)} bytes`;
  throw new MemoryError('The program takes more memory than it may.', {
    where: 'memoryLimitBytes',
    expected: `at most ${limitBytes} bytes`,
    received: `${all} bytes: ${weightBytes} for weights, ${stateBytes} for states, ${plannedBytes} for computed values${largestBytes}`,
    fix: 'Raise the option memoryLimitBytes, or use a smaller batch or model.',
  });
}

function requireGrid({ limits }: GPUDevice, workgroups: readonly number[], label: string): void {
  const limit = limits.maxComputeWorkgroupsPerDimension;
  if (workgroups.every((count) => count <= limit)) return;
  throw new MemoryError('A kernel is too large for this GPU.', {
    where: label,
    expected: `at most ${limit} workgroups along each axis`,
    received: workgroups.join(' × '),
    fix: 'Use a smaller batch.',
  });
}
