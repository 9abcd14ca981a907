import { hostTensor } from '@kora-bench/core/graph';
import { regression, regressionTask, spreadOf } from '@kora-bench/tasks';
import { describe, expect, it } from 'vitest';
import {
  batchSize,
  evaluateIn,
  fixture,
  lossAndGradient,
  type Numbers,
  openToy,
  real,
  toyModel,
} from './toy.js';

const expected = fixture<{
  readonly prediction: Numbers;
  readonly value: Numbers;
  readonly rmse: number;
  readonly mae: number;
  readonly r2: number;
}>('regression-scores');
const [prediction, value] = [real(expected.prediction), real(expected.value)];
const names = ['angle', 'price'];
const spread = spreadOf({ names, values: Float32Array.from(value.data) });

describe('the regression evaluator', () => {
  const task = regressionTask(names, spread);

  it.each([9, 4, 1])('gives torchmetrics’ scores, in batches of %i', (size) => {
    const { result, scores } = evaluateIn(task.evaluator(), prediction, { value }, size);
    expect(result.examples).toBe(9);
    expect(result.values.rmse! / expected.rmse).toBeCloseTo(1, 6);
    expect(result.values.mae! / expected.mae).toBeCloseTo(1, 6);
    expect(result.values.r2).toBeCloseTo(expected.r2, 6);
    const absolute = scores.get('absoluteError')!;
    expect(absolute.reduce((a, b) => a + b, 0) / 9).toBeCloseTo(result.values.mae!, 10);
    expect(result.details.numbers).toMatchObject([{ name: 'angle' }, { name: 'price' }]);
  });

  it('has a value for every metric, and no R² of a number that does not vary', () => {
    const { result } = evaluateIn(task.evaluator(), prediction, { value });
    expect(Object.keys(result.values).sort()).toEqual(task.metrics.map(({ key }) => key).sort());
    const constant = hostTensor(
      [9, 2],
      Float64Array.from(value.data, (x, i) => (i % 2 === 0 ? 5 : x)),
    );
    expect(evaluateIn(task.evaluator(), prediction, { value: constant }).result.values.r2).toBeNull();
  });

  it('says what the best constant answer, the mean, scores', () => {
    const truth = Array.from<number>(value.data);
    const mean = (column: number) => truth.reduce((sum, x, i) => (i % 2 === column ? sum + x / 9 : sum), 0);
    const means = [mean(0), mean(1)];
    const constant = hostTensor(
      [9, 2],
      Float64Array.from(truth, (_, i) => means[i % 2]!),
    );
    const { values, chance } = evaluateIn(task.evaluator(), constant, { value }).result;
    expect(chance!['rmse']).toBeCloseTo(values.rmse!, 9);
    expect(values.r2).toBeCloseTo(chance!['r2']!, 9);
  });

  it('refuses what makes no sense', () => {
    const evaluator = task.evaluator();
    const bad = (tensor: typeof value) => ({
      ...tensor,
      data: Float64Array.from(tensor.data).fill(Number.NaN, 3, 4),
    });
    expect(() => evaluator.add({ prediction, targets: { value: bad(value) } })).toThrow(
      expect.objectContaining({ code: 'INPUT', where: 'value[1, 1]' }),
    );
    expect(() => evaluator.add({ prediction: bad(prediction), targets: { value } })).toThrow(
      expect.objectContaining({ code: 'TRAINING', where: 'prediction[1, 1]' }),
    );
    expect(() => evaluator.add({ prediction, targets: { value: hostTensor([18], value.data) } })).toThrow(
      expect.objectContaining({ code: 'SHAPE' }),
    );
    expect(() => evaluator.result()).toThrow(/no example/);
  });
});

describe('the regression head', () => {
  const targets = { value: hostTensor([batchSize, 2], Float64Array.of(-0.5, 900, 0.1, 1000, 0.4, 1100)) };

  it('starts near the mean, in the numbers’ own units, and learns numbers of any size', async () => {
    const task = regressionTask(names, spreadOf({ names, values: Float32Array.from(targets.value.data) }));
    const toy = await openToy({ task, targets, learningRate: 0.1 });
    const start = await toy.predict();
    expect(start.shape).toEqual([batchSize, 2]);
    expect(Math.abs(start.data[1]! - 1000)).toBeLessThan(30);
    for (let step = 0; step < 300; step++) await toy.train();
    const { values } = evaluateIn(task.evaluator(), await toy.predict(), targets).result;
    expect(values.r2!).toBeGreaterThan(0.9);
  });

  it('has the mean squared error, in standard deviations, as its loss', async () => {
    const task = regressionTask(names, { mean: [0, 0], deviation: [2, 100] });
    const [shape, weights] = [[1, 2], [1]];
    const found = await lossAndGradient((x, y) => task.loss(x, { value: y }), {
      prediction: hostTensor(shape, Float64Array.of(3, 500)),
      target: hostTensor(shape, Float64Array.of(1, 800)),
      weights,
    });
    expect(found.loss[0]).toBeCloseTo((1 + 9) / 2, 12);
    expect(found.gradient[0]).toBeCloseTo(2 / 4, 12);
    expect(found.gradient[1]).toBeCloseTo(-300 / 1e4, 12);
  });

  it('is made from a data set’s values', () => {
    const values = Float32Array.of(1, 7, 3, 7);
    expect(spreadOf({ names, values })).toEqual({ mean: [2, 7], deviation: [1, 1] });
    const task = regression.create({ targets: { value: { names, values } }, labelSmoothing: 0 }, {});
    expect(task.parameters(toyModel).map(({ shape }) => shape)).toEqual([[2, 8], [2]]);
    expect(task.targets(toyModel, 5)).toEqual([{ kind: 'value', shape: [5, 2], dtype: 'f32' }]);
    expect(() => regression.create({ targets: {}, labelSmoothing: 0 }, {})).toThrow(/no value target/);
  });
});
