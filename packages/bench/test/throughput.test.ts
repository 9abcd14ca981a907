import { referenceBackend } from '@kora-bench/backend-reference';
import type { ThroughputCell } from '@kora-bench/bench';
import { measureThroughput, throughputCellSchema } from '@kora-bench/bench';
import type { Backend, ProgramMemory } from '@kora-bench/core/backend';
import type { MethodDefinition } from '@kora-bench/core/peft';
import { imagesFeed } from '@kora-bench/core/training';
import lora from '@kora-bench/method-lora';
import { toyVit } from '@kora-bench/testing/vit-configs';
import { beforeAll, describe, expect, test } from 'vitest';

const memory: ProgramMemory = {
  plannedBytes: 120,
  lowerBoundBytes: 100,
  weightBytes: 40,
  stateBytes: 60,
  parts: 1,
};

interface Pace {
  /** Milliseconds of a training step. */
  readonly step: number;
  /** Milliseconds of any other program, a matrix product. */
  readonly product: number;
  readonly onRun?: (isStep: boolean) => void;
}

/** An engine that computes nothing and lets a clock of its own go on: what is measured is known. */
async function pacedBackend({
  step,
  product,
  onRun,
}: Pace): Promise<Backend & { readonly open: Set<object>; now(): number }> {
  const inner = await referenceBackend.create('cpu', { lower: false });
  const open = new Set<object>();
  let time = 0;
  const opened = <T extends object>(resource: T): T => {
    open.add(resource);
    return resource;
  };
  return {
    name: 'paced',
    device: 'a clock',
    versions: {},
    open,
    now: () => time,
    async compile({ nodes }) {
      const isStep = nodes.some(({ op }) => op.kind === 'feed' && op.name === imagesFeed);
      const executable = opened({
        ...(isStep && { memory }),
        async run() {
          onRun?.(isStep);
          time += isStep ? step : product;
          return {};
        },
        dispose: async () => void open.delete(executable),
      });
      return executable;
    },
    async createState(values) {
      const state = await inner.createState(values);
      const own = opened({
        names: state.names,
        read: (name: string) => state.read(name),
        write: state.write.bind(state),
        dispose: async () => void open.delete(own),
      });
      return own;
    },
    dispose: async () => undefined,
  };
}

const measure = (backend: Backend & { now(): number }, batch: number, peak = true) =>
  measureThroughput({
    backend,
    peak,
    now: backend.now,
    method: { definition: lora as MethodDefinition, options: lora.options.parse({}) },
    label: 'LoRA r=8',
    model: toyVit,
    classes: 5,
    batch,
    milliseconds: 200,
  });

describe('on an engine of a known pace', () => {
  let cell: ThroughputCell;
  let backend: Awaited<ReturnType<typeof pacedBackend>>;
  beforeAll(async () => {
    backend = await pacedBackend({ step: 20, product: 5 });
    cell = await measure(backend, 8);
  });

  test('the rate of images is that of the steps', () => {
    expect(cell.imagesPerSecond).toBeCloseTo(8 / 0.02, 6);
  });

  test('the peak is the rate of the largest product, which takes no longer than the others', () => {
    const largest = 2 * 2048 * 768 * 768;
    expect(cell.peakGflopsPerSecond).toBeCloseTo(largest / 0.005 / 1e9, 6);
  });

  test('a step of so small a model is far from the peak', () => {
    expect(cell.shareOfPeak).toBeGreaterThan(0);
    expect(cell.shareOfPeak).toBeLessThan(0.05);
  });

  test('the cell is valid as JSON, says what was measured, and has what the engine tells of its memory', () => {
    expect(throughputCellSchema.parse(JSON.parse(JSON.stringify(cell)))).toEqual(cell);
    expect(cell).toMatchObject({ backend: 'paced', device: 'a clock', method: 'LoRA r=8', batch: 8 });
    expect(cell.deviceMemory).toEqual(memory);
  });

  test('the peak can be left out, and nothing else is run than steps', async () => {
    const products: boolean[] = [];
    const plain = await pacedBackend({ step: 20, product: 5, onRun: (isStep) => products.push(!isStep) });
    const { peakGflopsPerSecond, shareOfPeak, imagesPerSecond } = await measure(plain, 8, false);
    expect([peakGflopsPerSecond, shareOfPeak]).toEqual([undefined, undefined]);
    expect(imagesPerSecond).toBeCloseTo(8 / 0.02, 6);
    expect(products).not.toContain(true);
  });

  test('nothing stays open on the device', () => {
    expect(backend.open.size).toBe(0);
  });
});

test('a step that fails is an error, and nothing stays open', async () => {
  const backend = await pacedBackend({
    step: 1,
    product: 1,
    onRun: (isStep) => {
      if (isStep) throw new Error('out of memory');
    },
  });
  await expect(measure(backend, 4)).rejects.toThrow('out of memory');
  expect(backend.open.size).toBe(0);
});
