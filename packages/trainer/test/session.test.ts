import { buildTrainProgram, defaultAdamW, imagesFeed, optimizerFeeds } from '@kora-bench/core/training';
import type { WeightStore } from '@kora-bench/trainer';
import {
  evaluate,
  exampleWeights,
  firstBatch,
  initialState,
  openSession,
  train,
  withSession,
} from '@kora-bench/trainer';
import { describe, expect, it } from 'vitest';
import type { WatchedBackend } from './toy.js';
import {
  headAlone,
  model,
  ofMethodAndHead,
  preprocessing,
  startWeights,
  task,
  toyContext,
  toySplit,
  training,
  watchedBackend,
} from './toy.js';

const traced = buildTrainProgram({
  model,
  method: headAlone,
  task,
  batchSize: 4,
  stage: 'train',
  trains: ofMethodAndHead,
  optimizer: defaultAdamW,
});

const sessionSpec = ({ backend }: WatchedBackend, weights: WeightStore = startWeights()) => ({
  backend,
  program: traced.program,
  weights: weights.values,
  parameters: weights.flat(traced.layout),
  optimizer: defaultAdamW,
});

/** Fails at one call. */
const failing = (call: keyof WatchedBackend['calls'], at: number) =>
  watchedBackend((made, number) => {
    if (made === call && number === at) throw new Error(`${call} ${at} failed`);
  });

describe('a session', () => {
  it('runs a program on its state, and leaves out feeds that it does not read', async () => {
    const watched = await watchedBackend();
    const weights = startWeights();
    const { images, targets } = await firstBatch(toySplit(4).split, preprocessing, 4);
    const scalar = (value: number) => ({ dtype: 'f32' as const, shape: [], data: Float32Array.of(value) });
    const feeds = {
      ...targets,
      [imagesFeed]: images,
      ...exampleWeights(4, 4),
      surplus: scalar(1),
    };
    await withSession(sessionSpec(watched, weights), async (session) => {
      const before = await session.parameters();
      expect([...before.data]).toEqual([...weights.flat(traced.layout).data]);
      const step = { ...feeds, ...optimizerFeeds(defaultAdamW, 0, 0.01) };
      const outputs = await session.run(step, ['loss']);
      expect(Object.keys(outputs)).toEqual(['loss']);
      const after = await session.parameters();
      expect(after.data).not.toEqual(before.data);
      expect([...before.data]).toEqual([...weights.flat(traced.layout).data]);
    });
    expect(watched.alive).toEqual({ executables: 0, states: 0 });
  });

  it('starts with the parameters and moments of zero', () => {
    const weights = startWeights();
    const state = initialState(weights.flat(traced.layout), defaultAdamW);
    expect(Object.keys(state)[0]).toBe('parameters');
    const moments = Object.entries(state).slice(1);
    expect(moments).toHaveLength(2);
    for (const [, { data }] of moments) expect(data.every((value) => value === 0)).toBe(true);
  });

  it('leaves nothing behind when the state cannot be made', async () => {
    const watched = await failing('createState', 1);
    await expect(openSession(sessionSpec(watched))).rejects.toThrow('createState 1 failed');
    expect(watched.calls.compile).toBe(1);
    expect(watched.alive).toEqual({ executables: 0, states: 0 });
  });

  it('leaves nothing behind when the work fails', async () => {
    const watched = await watchedBackend();
    const work = withSession(sessionSpec(watched), async () => {
      throw new Error('work failed');
    });
    await expect(work).rejects.toThrow('work failed');
    expect(watched.alive).toEqual({ executables: 0, states: 0 });
  });
});

describe('an engine that fails', () => {
  const spec = { name: 'toy', task, stage: 'train', trains: ofMethodAndHead, training: training() };

  // With kept features: the 1st and 2nd run are of the prefix, the later ones steps.
  it.each([
    ['compile', 1],
    ['compile', 2],
    ['createState', 1],
    ['run', 1],
    ['run', 2],
    ['run', 3],
    ['run', 5],
  ] as const)('in a training, at %s %i, leaves nothing on the device', async (call, at) => {
    const watched = await failing(call, at);
    const { split, counts } = toySplit(8);
    const context = await toyContext({ backend: watched.backend });
    const failure = train(context, startWeights(), spec, { split, preprocessing });
    await expect(failure).rejects.toThrow(`${call} ${at} failed`);
    expect(watched.alive).toEqual({ executables: 0, states: 0 });
    expect(counts.closed).toBe(counts.opened);
  });

  it.each([
    ['compile', 2],
    ['createState', 1],
    ['run', 2],
    ['run', 4],
  ] as const)('in an evaluation, at %s %i, leaves nothing on the device', async (call, at) => {
    const watched = await failing(call, at);
    const { split, counts } = toySplit(8);
    const context = await toyContext({ backend: watched.backend });
    const how = { name: 'evaluate', task, stage: 'train', preprocessing, batchSize: 4 };
    await expect(evaluate(context, startWeights(), how, [split])).rejects.toThrow(`${call} ${at} failed`);
    expect(watched.alive).toEqual({ executables: 0, states: 0 });
    expect(counts.closed).toBe(counts.opened);
  });

  it('as does an observer that throws', async () => {
    const watched = await watchedBackend();
    const { split } = toySplit(8);
    const context = await toyContext({ backend: watched.backend });
    const failure = train(
      context,
      startWeights(),
      {
        ...spec,
        observers: [
          {
            stepped() {
              throw new Error('enough');
            },
          },
        ],
      },
      { split, preprocessing },
    );
    await expect(failure).rejects.toThrow('enough');
    expect(watched.alive).toEqual({ executables: 0, states: 0 });
  });
});
