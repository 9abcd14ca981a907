import { referenceBackend } from '@kora-bench/backend-reference';
import { GraphBuilder, hostTensor } from '@kora-bench/core/graph';
import type { ForwardOutput } from '@kora-bench/core/nn';
import { makeProgram } from '@kora-bench/core/passes';
import { depth, depthTask } from '@kora-bench/tasks';
import { describe, expect, it } from 'vitest';
import {
  batchSize,
  difference,
  evaluateIn,
  fixture,
  type Numbers,
  onFeatures,
  openToy,
  real,
  toyModel,
} from './toy.js';

interface Scores {
  readonly values: Readonly<Record<string, number>>;
  readonly images: Readonly<Record<'rmse' | 'absRel', readonly number[]>>;
}

const expected = fixture<{
  readonly logDepth: Numbers;
  readonly depth: Numbers;
  readonly measuredImages: readonly number[];
  readonly uncapped: Scores;
  readonly cappedAt: number;
  readonly capped: Scores;
}>('depth-scores');
const [prediction, truth] = [real(expected.logDepth), real(expected.depth)];

const [height, width] = toyModel.imageSize;
/** Near on the left, far on the right, a column not measured. */
const targets = {
  depth: hostTensor(
    [batchSize, height, width],
    Float64Array.from({ length: batchSize * height * width }, (_, i) =>
      i % width === 5 ? 0 : 1 + 0.5 * (i % width),
    ),
  ),
};

describe('the depth evaluator', () => {
  it.each([
    ['no cap', undefined, expected.uncapped],
    ['a cap', expected.cappedAt, expected.capped],
  ])('gives the published formulas, with %s, whatever the batches', (_name, maximum, { values, images }) => {
    const task = depthTask({ maximum });
    for (const size of [4, 3, 1]) {
      const { result, scores } = evaluateIn(task.evaluator(), prediction, { depth: truth }, size);
      expect(Object.keys(result.values).sort()).toEqual(Object.keys(values).sort());
      for (const [key, value] of Object.entries(values))
        expect(result.values[key], key).toBeCloseTo(value, 11);
      for (const [name, perImage] of Object.entries(images)) {
        const found = expected.measuredImages.map((i) => scores.get(name)![i]!);
        expect(difference(found, perImage)).toBeLessThan(1e-12);
        expect(scores.get(name)![2]).toBeNaN();
      }
      expect(result.examples).toBe(4);
      expect(result.details).toMatchObject({
        measuredImages: 3,
        measuredPixels: truth.data.filter((metres) => metres > 0).length,
        ...(maximum !== undefined && { cappedAt: maximum }),
      });
    }
  });

  it('has a value for every metric', () => {
    const { metrics, evaluator } = depthTask();
    const { values } = evaluateIn(evaluator(), prediction, { depth: truth }).result;
    expect(Object.keys(values).sort()).toEqual(metrics.map(({ key }) => key).sort());
  });

  it('refuses what makes no sense', () => {
    const { evaluator } = depthTask();
    expect(() =>
      evaluator().add({ prediction, targets: { depth: real({ shape: [1], data: [1] }) } }),
    ).toThrow(expect.objectContaining({ code: 'SHAPE', expected: '[1]', received: '[4, 6, 5]' }));
    const diverged = { ...prediction, data: Float64Array.from(prediction.data).fill(Number.NaN, 0, 1) };
    expect(() => evaluator().add({ prediction: diverged, targets: { depth: truth } })).toThrow(
      expect.objectContaining({ code: 'TRAINING' }),
    );
    expect(() => evaluator().result()).toThrow(/no pixel with a known depth/);
  });
});

describe('the depth head', () => {
  it('starts near 2 metres everywhere and learns a batch', async () => {
    const task = depthTask();
    const toy = await openToy({ task, targets, learningRate: 0.3 });
    const before = await toy.predict();
    expect(before.shape).toEqual([batchSize, height, width]);
    for (const log of before.data) expect(Math.abs(log - Math.log(2))).toBeLessThan(0.3);
    for (let step = 0; step < 60; step++) await toy.train();
    const rmse = (p: typeof before) => evaluateIn(task.evaluator(), p, targets).result.values.rmse!;
    expect(rmse(await toy.predict())).toBeLessThan(0.7 * rmse(before));
  });

  it('puts each patch’s numbers on its own pixels', async () => {
    const task = depthTask();
    const builder = new GraphBuilder();
    const [rows, columns] = [height / 4, width / 4];
    const zeros = (shape: readonly number[]) => builder.feed(`zeros of ${shape}`, shape);
    const [features, patchTokens] = [zeros([1, 8]), zeros([1, rows * columns, 8])];
    const output: ForwardOutput = {
      features,
      blocks: [],
      tokens: { value: patchTokens, layout: { prefix: [], grid: [rows, columns] } },
    };
    // The weight counts the patch's own first feature, the bias the pixels of a patch.
    const parameter = (name: string) => builder.feed(name, name === 'head.bias' ? [16] : [16, 16]);
    const y = task.predict(output, toyModel, parameter);
    const backend = await referenceBackend.create('cpu', { lower: false });
    const executable = await backend.compile(makeProgram({ y }), new Map());
    const filled = (shape: readonly number[], value: (i: number) => number) =>
      hostTensor(
        shape,
        Float64Array.from({ length: shape.reduce((a, b) => a * b) }, (_, i) => value(i)),
      );
    const feeds = {
      [`zeros of ${[1, 8]}`]: filled([1, 8], () => 0),
      [`zeros of ${patchTokens.shape}`]: filled(patchTokens.shape, (i) => (i % 8 === 0 ? i / 8 : 0)),
      'head.weight': filled([16, 16], (i) => (i % 16 === 0 ? 100 : 0)),
      'head.bias': filled([16], (i) => i),
    };
    const { data } = (await executable.run({ feeds, fetch: ['y'] })).y!;
    // Patch · 100 + place in the patch.
    expect(data[0]).toBe(0);
    expect(data[5]).toBe(100 + 1);
    expect(data[width + 6]).toBe(100 + 4 + 2);
    expect(data[7 * width + 11]).toBe(500 + 15);
  });

  it('lets a method take part that changes nothing but the class token', async () => {
    const toy = await openToy({ task: depthTask(), targets, method: onFeatures });
    const { gradients } = await toy.train();
    expect(Math.max(...gradients.get('own')!.data.map(Math.abs))).toBeGreaterThan(1e-6);
  });

  it('has options that are checked', () => {
    expect(depth.options.parse({})).toEqual({});
    expect(depth.options.parse({ maximum: 10 })).toEqual({ maximum: 10 });
    expect(() => depth.options.parse({ maximum: 0 })).toThrow();
    expect(() => depth.options.parse({ units: 'feet' })).toThrow(/units/);
  });
});
