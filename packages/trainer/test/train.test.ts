import { InputError, TrainingError } from '@kora-bench/core/errors';
import { add, sqrt } from '@kora-bench/core/ops';
import { classificationTask } from '@kora-bench/tasks';
import type { OwnBatches, StepBatch, TrainObserver, TrainSpec } from '@kora-bench/trainer';
import { exampleWeights, firstBatch, fixedBatches, inOrder, train } from '@kora-bench/trainer';
import { describe, expect, it } from 'vitest';
import {
  changed,
  difference,
  everything,
  model,
  ofMethodAndHead,
  preprocessing,
  staged,
  startWeights,
  task,
  toyContext,
  toyMethod,
  toySplit,
  training,
} from './toy.js';

const spec = (changes: Partial<TrainSpec> = {}): TrainSpec => ({
  name: 'toy',
  task,
  stage: 'train',
  trains: ofMethodAndHead,
  training: training(),
  ...changes,
});

/** A split's batches in its own order, as a user would make them. */
function ownBatches(length: number, batchSize: number): OwnBatches {
  const { split } = toySplit(length);
  return {
    stepsPerEpoch: Math.ceil(length / batchSize),
    async *batches() {
      const reader = await split.open(preprocessing);
      const how = { split, reader, order: inOrder(length), batchSize, preprocessing };
      for await (const { images, targets, count } of fixedBatches(how))
        yield { feeds: { images, ...targets }, count };
    },
  };
}

/** Records losses and gradients of every step. */
function recorder() {
  const losses: number[] = [];
  const gradients: number[][] = [];
  const observer: TrainObserver = {
    wants: () => ['loss', 'gradients'],
    stepped({ outputs }) {
      losses.push(outputs.loss!.data[0]!);
      gradients.push([...outputs.gradients!.data]);
    },
  };
  return { losses, gradients, observer };
}

describe('fixed batches', () => {
  it('are all of one size; the last one repeats its last example', async () => {
    const { split } = toySplit(6);
    const reader = await split.open(preprocessing);
    const order = Int32Array.of(5, 0, 3, 1, 2);
    const found = [];
    for await (const batch of fixedBatches({ split, reader, order, batchSize: 3, preprocessing }))
      found.push(batch);
    expect(found.map(({ images }) => images.shape)).toEqual([
      [3, 3, 8, 8],
      [3, 3, 8, 8],
    ]);
    expect(found.map(({ count }) => count)).toEqual([3, 2]);
    expect(found.map(({ indices }) => [...indices])).toEqual([
      [5, 0, 3],
      [1, 2],
    ]);
    expect([...found[1]!.targets.label!.data]).toEqual([1, 2, 2]);
    const image = 3 * 8 * 8;
    const { data } = found[1]!.images;
    expect(data.slice(2 * image)).toEqual(data.slice(image, 2 * image));
  });

  it('have weights that sum to 1 over the real examples', () => {
    expect([...exampleWeights(2, 4)['exampleWeight']!.data]).toEqual([0.5, 0.5, 0, 0]);
  });

  it('gives the first one of a split, and closes the reader', async () => {
    const { split, counts } = toySplit(3);
    const batch = await firstBatch(split, preprocessing, 8);
    expect(batch.images.shape).toEqual([8, 3, 8, 8]);
    expect(batch.count).toBe(3);
    expect(counts).toMatchObject({ opened: 1, closed: 1 });
  });
});

describe('train', () => {
  it('learns, and says what it did', async () => {
    const weights = startWeights();
    const before = weights.fork();
    const config = training({ epochs: 5 });
    const { split } = toySplit(10);
    const result = await train(await toyContext(), weights, spec({ training: config }), {
      split,
      preprocessing,
    });
    expect(result).toMatchObject({ name: 'toy', epochs: 5, steps: 15, images: 50 });
    expect(result.trainableParameters).toBe(4 * 12 + 4);
    expect(result.losses).toHaveLength(15);
    expect(result.losses.at(-1)!.loss).toBeLessThan(result.losses[0]!.loss);
    expect(result.flopsPerStep).toBeGreaterThan(0);
    expect(changed(before, weights)).toEqual(['head.weight', 'head.bias']);
  });

  it('weighs the examples of a last batch by how many there are', async () => {
    const still = (batchSize: number) =>
      spec({ training: training({ epochs: 1, batchSize, learningRate: 1e-30 }) });
    const padded = recorder();
    await train(
      await toyContext(),
      startWeights(),
      { ...still(4), observers: [padded.observer] },
      ownBatches(6, 4),
    );
    const exact = recorder();
    await train(
      await toyContext(),
      startWeights(),
      { ...still(2), observers: [exact.observer] },
      ownBatches(6, 2),
    );
    expect(padded.losses).toHaveLength(2);
    expect(padded.losses[1]).toBeCloseTo(exact.losses[2]!, 12);
    expect(difference(padded.gradients[1]!, exact.gradients[2]!)).toBeLessThan(1e-12);
    expect(padded.losses[0]).toBeCloseTo((exact.losses[0]! + exact.losses[1]!) / 2, 12);
  });

  it('shuffles by seed, name and epoch, or takes the split’s own order', async () => {
    const labelsOf = async (seed: number, unshuffled: boolean) => {
      const seen: number[][] = [];
      const observer: TrainObserver = {
        stepped: ({ batch }) => void seen.push([...batch.feeds['label']!.data]),
      };
      const config = training({ batchSize: 8 });
      const { split } = toySplit(8, { classes: 8 });
      const data = { split, preprocessing, unshuffled };
      const context = await toyContext({ seed });
      const eight = classificationTask(8);
      await train(
        context,
        startWeights(context.method, eight),
        { ...spec({ task: eight, training: config }), observers: [observer] },
        data,
      );
      return seen;
    };
    const order = [0, 1, 2, 3, 4, 5, 6, 7];
    expect(await labelsOf(0, true)).toEqual([order, order]);
    const [first, second] = await labelsOf(0, false);
    expect(first).not.toEqual(second);
    expect(first!.toSorted()).toEqual(order);
    expect(await labelsOf(0, false)).toEqual([first, second]);
    expect((await labelsOf(1, false))[0]).not.toEqual(first);
  });

  it('trains what the method says in its last stage, unless told otherwise', async () => {
    const weights = startWeights(staged);
    const before = weights.fork();
    const context = await toyContext({ method: staged });
    const config = training({ epochs: 1 });
    await train(context, weights, { name: 'toy', task, training: config }, ownBatches(4, 4));
    expect(changed(before, weights)).toEqual(['second', 'head.weight', 'head.bias']);
    const unknown = { name: 'toy', task, training: config, stage: 'third' };
    await expect(train(context, weights, unknown, ownBatches(4, 4))).rejects.toMatchObject({
      code: 'INPUT',
      expected: 'one of part, whole',
    });
  });

  it('refuses to run where nothing trains', async () => {
    const nothing = spec({ trains: () => false });
    const failure = train(await toyContext(), startWeights(), nothing, ownBatches(4, 4));
    await expect(failure).rejects.toThrow(InputError);
    await expect(failure).rejects.toMatchObject({ where: 'toy', fix: expect.any(String) });
  });
});

describe('batches of one’s own', () => {
  it('train as a split does', async () => {
    const fromSplit = startWeights(everything);
    const own = startWeights(everything);
    const context = await toyContext({ method: everything });
    const all = spec({ trains: () => true, training: training({ epochs: 1 }) });
    const { split } = toySplit(6);
    await train(context, fromSplit, all, { split, preprocessing, unshuffled: true });
    await train(context, own, all, ownBatches(6, 4));
    expect(changed(fromSplit, own)).toEqual([]);
  });

  it('reach observers as they are', async () => {
    interface Told extends StepBatch {
      readonly told: string;
    }
    const { images, targets } = await firstBatch(toySplit(4).split, preprocessing, 4);
    const batches = (epoch: number): Told[] => [
      { feeds: { images, ...targets }, count: 4, told: `epoch ${epoch}` },
    ];
    const told: string[] = [];
    await train(
      await toyContext(),
      startWeights(),
      { ...spec(), observers: [{ stepped: ({ batch }) => void told.push(batch.told) }] },
      { stepsPerEpoch: 1, batches },
    );
    expect(told).toEqual(['epoch 0', 'epoch 1']);
  });

  it('may be endless: an epoch takes its number of steps and lets go', async () => {
    const { images, targets } = await firstBatch(toySplit(4).split, preprocessing, 4);
    let released = 0;
    async function* endless() {
      try {
        for (;;) yield { feeds: { images, ...targets }, count: 4 };
      } finally {
        released++;
      }
    }
    const data = { stepsPerEpoch: 3, batches: endless };
    const result = await train(await toyContext(), startWeights(), spec(), data);
    expect(result).toMatchObject({ steps: 6, images: 24 });
    expect(released).toBe(2);
  });

  it.each([0, 3])('are refused where an epoch has fewer than %i + 1', async (there) => {
    const { images, targets } = await firstBatch(toySplit(4).split, preprocessing, 4);
    const batch = { feeds: { images, ...targets }, count: 4 };
    const data = { stepsPerEpoch: there + 1, batches: () => new Array<StepBatch>(there).fill(batch) };
    await expect(train(await toyContext(), startWeights(), spec(), data)).rejects.toMatchObject({
      code: 'INPUT',
      where: 'toy, epoch 0',
      received: String(there),
    });
  });
});

describe('observers', () => {
  it('are told start, every step and the end, in order, and are waited for', async () => {
    const events: string[] = [];
    const tell = (event: string) => async () => {
      await new Promise((resolve) => setTimeout(resolve));
      events.push(event);
    };
    const names = { started: tell('started'), stepped: tell('stepped'), ended: tell('ended') };
    await train(
      await toyContext(),
      startWeights(),
      { ...spec({ training: training({ epochs: 1 }) }), observers: [names] },
      ownBatches(8, 4),
    );
    expect(events).toEqual(['started', 'stepped', 'stepped', 'ended']);
  });

  it('see what was asked for, in the steps for which it was', async () => {
    const seen: string[][] = [];
    const asking: TrainObserver = { wants: (step) => (step === 1 ? ['gradientNorm', 'gradients'] : []) };
    const watching: TrainObserver = {
      stepped: ({ outputs }) => void seen.push(Object.keys(outputs).toSorted()),
    };
    const long = spec({ training: training({ epochs: 60, batchSize: 4 }) });
    const result = await train(
      await toyContext(),
      startWeights(),
      { ...long, observers: [asking, watching] },
      ownBatches(8, 4),
    );
    // Of 120 steps the loss curve has every second one, and the last.
    expect(seen.slice(0, 3)).toEqual([['loss'], ['gradientNorm', 'gradients'], ['loss']]);
    expect(seen.at(-2)).toEqual(['loss']);
    expect(seen.at(-1)).toEqual(['loss']);
    expect(seen.filter((names) => names.length > 0)).toHaveLength(62);
    expect(result.losses).toHaveLength(61);
  });

  it('are told the loss of every epoch, each example weighing the same', async () => {
    const { losses, observer } = recorder();
    const epochs: (number | null)[] = [];
    const told: TrainObserver = {
      epochEnded({ epoch, epochs: of, loss }) {
        expect([epoch, of]).toEqual([epochs.length, 2]);
        epochs.push(loss);
      },
    };
    await train(
      await toyContext(),
      startWeights(),
      { ...spec(), observers: [observer, told] },
      ownBatches(6, 4),
    );
    const mean = (from: number) => (4 * losses[from]! + 2 * losses[from + 1]!) / 6;
    expect(epochs).toHaveLength(2);
    expect(difference(epochs as number[], [mean(0), mean(2)])).toBeLessThan(1e-12);
  });

  it('see the layout, what no gradient reaches, the learning rates, and both ends of the parameters', async () => {
    const rates: number[] = [];
    let names: string[] = [];
    let ends: readonly number[] = [];
    const observer: TrainObserver = {
      started({ layout, parameters, unreached, totalSteps }) {
        names = layout.entries.map(({ name }) => name);
        expect(parameters.length).toBeGreaterThan(names.length);
        expect(unreached).toEqual([]);
        expect(totalSteps).toBe(4);
      },
      stepped: ({ learningRate }) => void rates.push(learningRate),
      ended: ({ before, after }) => {
        ends = [before.data[0]!, after.data[0]!];
      },
    };
    const start = startWeights();
    const weights = start.fork();
    const config = training({ schedule: { kind: 'constant', warmup: 0.5 }, learningRate: 0.02 });
    await train(
      await toyContext(),
      weights,
      { ...spec({ training: config }), observers: [observer] },
      ownBatches(8, 4),
    );
    expect(names).toEqual(['head.weight', 'head.bias']);
    expect(rates).toEqual([0.01, 0.02, 0.02, 0.02]);
    expect(ends).toEqual([start.get('head.weight').data[0], weights.get('head.weight').data[0]]);
  });
});

it('counts what has no weight decay: of a backbone, its vectors, positions and tokens', async () => {
  const context = await toyContext({ method: everything });
  const { undecayedParameters } = await train(
    context,
    startWeights(everything),
    spec({ trains: () => true }),
    ownBatches(4, 4),
  );
  const vectors = [...model.weights.values()].filter(({ length }) => length === 1).map(([size]) => size!);
  const positions = 12 + 5 * 12;
  expect(undecayedParameters).toBe(vectors.reduce((sum, size) => sum + size, positions));
});

describe('numbers that are not finite', () => {
  it('stop a training at the loss, which says where and what to do', async () => {
    const { images, targets } = await firstBatch(toySplit(4).split, preprocessing, 4);
    const broken = { ...images, data: images.data.map(() => Number.NaN) };
    const weights = startWeights();
    const before = weights.fork();
    let step = 0;
    const data = {
      stepsPerEpoch: 3,
      batches: function* () {
        for (; ; step++) yield { feeds: { images: step === 1 ? broken : images, ...targets }, count: 4 };
      },
    };
    const failure = train(await toyContext(), weights, spec(), data);
    await expect(failure).rejects.toThrow(TrainingError);
    await expect(failure).rejects.toMatchObject({
      message:
        'The loss is NaN at step 1 of toy; the first value that is not finite is the value at patch_embed.',
      where: 'toy',
      expected: 'a finite loss',
      fix: expect.stringContaining('learning rate'),
    });
    expect(changed(before, weights)).toEqual([]);
  });

  it('name the parameter whose gradient breaks, where an observer asks for gradients', async () => {
    const root = toyMethod({
      parameters: () => [{ name: 'own', shape: [12], init: { kind: 'zeros' } }],
      attach: ({ parameter }) => ({
        value: ({ kind, value }) => (kind === 'features' ? add(value, sqrt(parameter('own'))) : value),
      }),
    });
    const observers = [{ wants: () => ['gradients'] as const }];
    const failure = train(
      await toyContext({ method: root }),
      startWeights(root),
      { ...spec(), observers },
      ownBatches(4, 4),
    );
    await expect(failure).rejects.toThrow('The gradient of own is not finite at step 0 of toy.');
  });

  it('stop it after the last step, when the update itself broke the parameters', async () => {
    const weights = startWeights();
    const before = weights.fork();
    const config = { ...training({ epochs: 1 }), learningRate: Number.POSITIVE_INFINITY };
    const failure = train(await toyContext(), weights, spec({ training: config }), ownBatches(4, 4));
    await expect(failure).rejects.toThrow(TrainingError);
    await expect(failure).rejects.toMatchObject({
      message: 'The parameters are not finite after toy.',
      where: 'toy',
      fix: expect.stringContaining('clipNorm'),
    });
    expect(changed(before, weights)).toEqual([]);
  });
});
