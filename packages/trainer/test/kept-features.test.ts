import { depth } from '@kora-bench/tasks';
import type { FeatureStore, FeatureTable, TableShape, TrainSpec } from '@kora-bench/trainer';
import {
  createMemoryTable,
  evaluate,
  fixedBatches,
  inOrder,
  memoryFeatures,
  train,
} from '@kora-bench/trainer';
import { afterEach, describe, expect, it, vi } from 'vitest';
import {
  changed,
  difference,
  everything,
  headAlone,
  ofMethodAndHead,
  preprocessing,
  startWeights,
  task,
  toyContext,
  toySplit,
  training,
  watchedBackend,
} from './toy.js';

/** Keeps tables in memory under their keys, and counts. */
function countingStore() {
  const tables = new Map<string, FeatureTable>();
  const counts = { opened: 0, found: 0, created: 0, finished: 0, abandoned: 0, closed: 0 };
  const counted = (table: FeatureTable): FeatureTable => ({
    cost: table.cost,
    gather: (indices) => table.gather(indices),
    close: () => void counts.closed++,
  });
  const shapes: TableShape[] = [];
  const store: FeatureStore = {
    async open(shape) {
      counts.opened++;
      const table = tables.get(shape.key);
      if (table === undefined) return undefined;
      counts.found++;
      return counted(table);
    },
    create(shape) {
      counts.created++;
      shapes.push(shape);
      const writer = createMemoryTable(shape);
      return {
        append: (rows) => writer.append(rows),
        finish(cost) {
          counts.finished++;
          const table = writer.finish(cost);
          tables.set(shape.key, table);
          return counted(table);
        },
        abandon: () => void counts.abandoned++,
      };
    },
  };
  return { store, counts, shapes };
}

const spec = (changes: Partial<TrainSpec> = {}): TrainSpec => ({
  name: 'toy',
  task,
  stage: 'train',
  trains: ofMethodAndHead,
  training: training(),
  ...changes,
});

const scoring = { name: 'evaluate', task, stage: 'train', preprocessing, batchSize: 4 };

describe('kept features', () => {
  it('are computed once for all epochs', async () => {
    const { split, counts } = toySplit(10);
    const weights = startWeights();
    const config = training({ epochs: 5 });
    const result = await train(await toyContext(), weights, spec({ training: config }), {
      split,
      preprocessing,
    });
    // The padding of the last batch is read as well.
    expect(counts).toEqual({ opened: 1, closed: 1, read: 12 });
    expect(result.cache).toMatchObject({ computedImages: 10, reusedImages: 0, bytesPerImage: 4 * 12 });
    expect(result.cache!.pass.images).toBe(10);
    expect(result.cache!.pass.seconds).toBeGreaterThan(0);
    expect(result.cache!.prefixFlopsPerImage).toBeGreaterThan(result.flopsPerStep / 4);
  });

  it('change no result', async () => {
    const { split } = toySplit(10);
    const [kept, whole] = [startWeights(), startWeights()];
    await train(await toyContext(), kept, spec(), { split, preprocessing, unshuffled: true });
    await train(await toyContext(), whole, spec(), {
      stepsPerEpoch: 3,
      async *batches() {
        const reader = await split.open(preprocessing);
        const how = { split, reader, order: inOrder(10), batchSize: 4, preprocessing };
        for await (const { images, targets, count } of fixedBatches(how))
          yield { feeds: { images, ...targets }, count };
      },
    });
    expect(changed(startWeights(), kept)).toEqual(['head.weight', 'head.bias']);
    // Kept values are float32, where the reference computes in float64.
    for (const name of ['head.weight', 'head.bias'])
      expect(difference(kept.get(name).data, whole.get(name).data)).toBeLessThan(1e-6);
  });

  it('stay out of the way where images move from epoch to epoch, or the backbone trains', async () => {
    const { split } = toySplit(4);
    const { store, counts } = countingStore();
    const flipped = await train(
      await toyContext({ features: store }),
      startWeights(),
      spec({ training: training({ augmentation: 'flip' }) }),
      { split, preprocessing },
    );
    const method = everything;
    const full = await train(
      await toyContext({ features: store, method }),
      startWeights(method),
      spec({ trains: () => true }),
      { split, preprocessing },
    );
    expect([flipped.cache, full.cache]).toEqual([null, null]);
    expect(counts.opened).toBe(0);
  });

  it('serve targets per pixel as well, whose pixels are still read', async () => {
    const { split, counts } = toySplit(6, { depth: true });
    const metres = depth.create({ targets: split.targets, labelSmoothing: 0 }, depth.options.parse({}));
    const weights = startWeights(headAlone, metres);
    const result = await train(await toyContext(), weights, spec({ task: metres }), { split, preprocessing });
    expect(result.cache).toMatchObject({ computedImages: 6 });
    expect(counts).toMatchObject({ opened: 3, closed: 3 });
    const [found] = await evaluate(await toyContext(), weights, { ...scoring, task: metres }, [split]);
    expect(found!.examples).toBe(6);
    expect(found!.values['rmse']).toBeGreaterThan(0);
  });
});

describe('the speed of a training', () => {
  /** A backend on a clock that only its calls move: 5 s to compile, 2 s for a run of the prefix, 10 ms for a step. */
  async function clockwork(prefixRuns: number) {
    vi.useFakeTimers({ toFake: ['performance'] });
    const { backend } = await watchedBackend((call, number) => {
      if (call === 'compile') vi.advanceTimersByTime(5000);
      if (call === 'run') vi.advanceTimersByTime(number <= prefixRuns ? 2000 : 10);
    });
    return backend;
  }

  afterEach(() => void vi.useRealTimers());

  it('is that of its steps, whether the features were there or not', async () => {
    const { store } = countingStore();
    const { split } = toySplit(6);
    const run = async (prefixRuns: number) => {
      const context = await toyContext({ backend: await clockwork(prefixRuns), features: store });
      return train(context, startWeights(), spec(), { split, preprocessing });
    };
    const [cold, warm] = [await run(2), await run(0)];
    // Two epochs of two steps.
    for (const { images, stepSeconds } of [cold, warm]) {
      expect(images).toBe(12);
      expect(stepSeconds).toBeCloseTo(0.04, 9);
    }
    expect(cold.cache).toMatchObject({ computedImages: 6, pass: { images: 6 } });
    expect(cold.cache!.pass.seconds).toBeCloseTo(4, 9);
    expect(cold.seconds).toBeCloseTo(14.04, 9);
    expect(warm.cache).toMatchObject({ reusedImages: 6, pass: cold.cache!.pass });
    expect(warm.seconds).toBeCloseTo(5.04, 9);
  });
});

describe('a store of features', () => {
  it('is filled once, and asked by whoever comes next', async () => {
    const { split, counts: reads } = toySplit(6);
    const { store, counts, shapes } = countingStore();
    const context = await toyContext({ features: store });
    const first = startWeights();
    const filled = await train(context, first, spec(), { split, preprocessing });
    expect(counts).toEqual({ opened: 1, found: 0, created: 1, finished: 1, abandoned: 0, closed: 1 });
    expect(shapes[0]).toMatchObject({ rows: 6, rowLength: 12, batchSize: 4 });
    const second = startWeights();
    const again = await train(context, second, spec({ name: 'again' }), { split, preprocessing });
    expect(again.cache).toMatchObject({ computedImages: 0, reusedImages: 6 });
    expect(filled.cache!.pass.images).toBe(6);
    expect(again.cache!.pass).toEqual(filled.cache!.pass);
    await evaluate(context, second, scoring, [split]);
    expect(counts).toEqual({ opened: 3, found: 2, created: 1, finished: 1, abandoned: 0, closed: 3 });
    expect(reads.opened).toBe(1);
  });

  it('names all that the values depend on', async () => {
    const { store, shapes } = countingStore();
    const context = await toyContext({ features: store });
    const { split } = toySplit(4);
    const prepared = [preprocessing, { ...preprocessing, mean: [0.4, 0.5, 0.5] as const }];
    for (const how of prepared)
      await train(context, startWeights(), spec(), { split, preprocessing: { ...how, mean: [...how.mean] } });
    await train(context, startWeights(), spec(), { split: toySplit(5).split, preprocessing });
    const keys = shapes.map(({ key }) => key);
    expect(new Set(keys).size).toBe(3);
    for (const part of ['toy', split.fingerprint, 'reference']) expect(keys[0]).toContain(part);
  });

  it('never gets values of weights that were trained', async () => {
    const { split } = toySplit(4);
    const { store, counts } = countingStore();
    const weights = startWeights(everything);
    const full = await toyContext({ method: everything });
    await train(full, weights, spec({ trains: () => true }), { split, preprocessing });
    const context = await toyContext({ features: store });
    const result = await train(context, weights, spec(), { split, preprocessing });
    expect(result.cache).toMatchObject({ computedImages: 4 });
    expect(counts).toMatchObject({ opened: 0, created: 0 });
  });

  it('abandons a table that will not be finished', async () => {
    const { split, counts: reads } = toySplit(8);
    const { store, counts } = countingStore();
    const { backend, alive } = await watchedBackend((call, number) => {
      if (call === 'run' && number === 2) throw new Error('the engine broke');
    });
    const context = await toyContext({ backend, features: store });
    const failure = train(context, startWeights(), spec(), { split, preprocessing });
    await expect(failure).rejects.toThrow('the engine broke');
    expect(counts).toMatchObject({ created: 1, finished: 0, abandoned: 1 });
    expect(reads).toMatchObject({ opened: 1, closed: 1 });
    expect(alive).toEqual({ executables: 0, states: 0 });
  });

  it('in memory finds nothing again, and repeats the last row of a batch that is not full', async () => {
    const shape = { key: 'a', rows: 3, rowLength: 2, batchSize: 4 };
    expect(await memoryFeatures.open(shape)).toBeUndefined();
    const writer = memoryFeatures.create(shape);
    writer.append(Float32Array.of(1, 2, 3, 4));
    writer.append(Float32Array.of(5, 6));
    const table = writer.finish({ seconds: 2, images: 3 });
    expect(table.cost).toEqual({ seconds: 2, images: 3 });
    expect([...table.gather([2, 0])]).toEqual([5, 6, 1, 2, 1, 2, 1, 2]);
    expect([...table.gather([1, 1, 1, 2])]).toEqual([3, 4, 3, 4, 3, 4, 5, 6]);
  });
});
