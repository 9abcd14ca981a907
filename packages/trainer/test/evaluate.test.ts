import type { ImageSplit } from '@kora-bench/core/data';
import { relabelled, subset } from '@kora-bench/datasets/browser';
import type { StepBatch } from '@kora-bench/trainer';
import { evaluate, evaluateBatches, fixedBatches, inOrder, predict, train } from '@kora-bench/trainer';
import { describe, expect, it } from 'vitest';
import {
  difference,
  everything,
  preprocessing,
  startWeights,
  task,
  toyContext,
  toySplit,
  training,
  watchedBackend,
} from './toy.js';

const spec = { name: 'evaluate', task, stage: 'train', preprocessing, batchSize: 4 };

/** A head that has learnt something. */
async function trained() {
  const weights = startWeights();
  const { split } = toySplit(24);
  const config = training({ epochs: 20, learningRate: 0.05 });
  const how = { name: 'toy', task, stage: 'train', training: config };
  await train(
    await toyContext(),
    weights,
    { ...how, trains: ({ owner }) => owner !== 'backbone' },
    { split, preprocessing },
  );
  return weights;
}

describe('evaluate', () => {
  it('scores every example once, padding left out, in the order of the split', async () => {
    const weights = await trained();
    const { split } = toySplit(10, { name: 'test' });
    const context = await toyContext();
    const [found] = await evaluate(context, weights, spec, [split]);
    expect(found!.examples).toBe(10);
    expect(found!.values['top1']).toBeGreaterThan(0.5);
    expect([...found!.scores['label']!]).toEqual([...split.targets.label!.labels]);
    const { correct, loss } = found!.scores;
    expect(correct!.reduce((sum, value) => sum + value) / 10).toBeCloseTo(found!.values['top1']!, 12);
    expect(loss!.reduce((sum, value) => sum + value) / 10).toBeCloseTo(found!.values['loss']!, 6);
    const turned = subset(split, [9, 8, 7, 6, 5, 4, 3, 2, 1, 0]);
    const [other] = await evaluate(context, weights, spec, [turned]);
    expect(difference(other!.scores['loss']!, loss!.toReversed())).toBeLessThan(1e-6);
  });

  it('scores two labellings of the same images in one pass', async () => {
    const weights = await trained();
    const { backend, calls } = await watchedBackend();
    const context = await toyContext({ backend });
    const { split } = toySplit(10, { name: 'test' });
    const wrong = relabelled(
      split,
      split.targets.label!.labels.map((label) => (label + 1) % 4),
      split.targets.label!.classNames,
    );
    const both = await evaluate(context, weights, spec, [split, wrong]);
    // Three batches through the prefix and three through the head.
    expect(calls.run).toBe(6);
    const alone = [];
    for (const one of [split, wrong]) alone.push(...(await evaluate(context, weights, spec, [one])));
    expect(both).toEqual(alone);
    expect(both[1]!.values['top1']).toBeLessThan(both[0]!.values['top1']!);
    expect([...both[1]!.scores['predicted']!]).toEqual([...both[0]!.scores['predicted']!]);
  });

  it('refuses splits of other images', async () => {
    const { split } = toySplit(4);
    const [context, weights] = [await toyContext(), startWeights()];
    const turned = subset(split, [1, 0, 2, 3]);
    await expect(evaluate(context, weights, spec, [split, turned])).rejects.toMatchObject({
      code: 'INPUT',
      received: 'toy, train: 4 images, train/1.png at 0',
    });
    const fewer = subset(split, [0, 1, 2]);
    const failure = evaluate(context, weights, spec, [split, fewer]);
    await expect(failure).rejects.toMatchObject({ code: 'INPUT' });
    const more = evaluate(context, weights, spec, [fewer, split]);
    await expect(more).rejects.toMatchObject({ code: 'INPUT' });
  });

  it('gives the same with a trained backbone, where everything is run', async () => {
    const { split, counts } = toySplit(5);
    const method = everything;
    const context = await toyContext({ method });
    const weights = startWeights(method);
    const [kept] = await evaluate(context, weights, spec, [split]);
    for (const name of ['norm.weight', 'pos_embed']) {
      const { data, ...rest } = weights.get(name);
      weights.set(name, { ...rest, data: data.map((value) => 1.5 * value) });
    }
    const [moved] = await evaluate(context, weights, spec, [split]);
    expect(moved!.examples).toBe(5);
    expect(difference(moved!.scores['loss']!, kept!.scores['loss']!)).toBeGreaterThan(1e-3);
    expect(counts.closed).toBe(counts.opened);
  });
});

describe('evaluateBatches', () => {
  it('scores batches of one’s own as it does a split', async () => {
    const weights = await trained();
    const { split } = toySplit(10, { name: 'test' });
    const { backend, alive } = await watchedBackend();
    const context = await toyContext({ backend });
    const [expected] = await evaluate(context, weights, spec, [split]);
    const found = await evaluateBatches(context, weights, spec, batchesOf(split));
    expect(found.examples).toBe(10);
    expect(found.values['top1']).toBe(expected!.values['top1']);
    expect([...found.scores['label']!]).toEqual([...expected!.scores['label']!]);
    expect(difference(found.scores['loss']!, expected!.scores['loss']!)).toBeLessThan(1e-5);
    expect(alive).toEqual({ executables: 0, states: 0 });
  });

  it('refuses no batches', async () => {
    const failure = evaluateBatches(await toyContext(), startWeights(), spec, []);
    await expect(failure).rejects.toMatchObject({ code: 'INPUT' });
  });
});

async function* batchesOf(split: ImageSplit): AsyncGenerator<StepBatch> {
  const reader = await split.open(preprocessing);
  const how = { split, reader, order: inOrder(split.length), batchSize: 4, preprocessing };
  for await (const { images, targets, count } of fixedBatches(how))
    yield { feeds: { images, ...targets }, count };
}

describe('predict', () => {
  it('may be left early', async () => {
    const { backend, alive } = await watchedBackend();
    const { split, counts } = toySplit(12);
    for await (const { prediction, indices } of predict(
      await toyContext({ backend }),
      startWeights(),
      spec,
      split,
    )) {
      expect(prediction.shape).toEqual([4, 4]);
      expect([...indices]).toEqual([0, 1, 2, 3]);
      break;
    }
    expect(alive).toEqual({ executables: 0, states: 0 });
    expect(counts.closed).toBe(counts.opened);
  });
});
