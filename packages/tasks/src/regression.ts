import type { ValueTarget } from '@kora-bench/core/data';
import { requireTarget } from '@kora-bench/core/data';
import { add, constant, div, linear, mul } from '@kora-bench/core/ops';
import type { Task } from '@kora-bench/core/training';
import { defineTask, meanSquaredError } from '@kora-bench/core/training';
import { z } from 'zod';
import { regressionEvaluator, regressionMetrics } from './regression-scores.js';

/** A few numbers per image. */
export const regression = defineTask({
  name: 'regression',
  description: 'A few numbers per image: a linear head on the features, mean squared error; RMSE, MAE, R².',
  targets: ['value'],
  options: z.strictObject({}),
  create: ({ targets }) => {
    const target = requireTarget(targets, 'value', 'the training split');
    return regressionTask(target.names, spreadOf(target));
  },
});

/** Mean and standard deviation of each number, `[n]`. */
export interface Spread {
  readonly mean: readonly number[];
  /** Above 0. */
  readonly deviation: readonly number[];
}

/**
 * Regression of n numbers, by a linear head on the features. The head answers in standard deviations from the
 * mean, so that it starts at the mean and learns as fast whether a number is a share or a year; predictions and
 * scores are in the numbers' own units.
 * @param names of the numbers
 * @param spread over the training examples
 */
export function regressionTask(names: readonly string[], { mean, deviation }: Spread): Task {
  const n = names.length;
  return {
    name: regression.name,
    metrics: regressionMetrics,
    parameters: ({ featureWidth }) => [
      { name: 'head.weight', shape: [n, featureWidth], init: { kind: 'truncatedNormal', std: 0.02 } },
      { name: 'head.bias', shape: [n], init: { kind: 'zeros' } },
    ],
    predict({ features }, _model, parameter) {
      const answer = linear(features, parameter('head.weight'), parameter('head.bias'));
      const { builder } = answer;
      const scaled = mul(answer, constant(builder, Float64Array.from(deviation)));
      return add(scaled, constant(builder, Float64Array.from(mean)));
    },
    targets: (_model, batch) => [{ kind: 'value', shape: [batch, n], dtype: 'f32' }],
    loss(prediction, { value }) {
      const scale = constant(prediction.builder, Float64Array.from(deviation));
      return meanSquaredError(div(prediction, scale), div(value!, scale));
    },
    evaluator: () => regressionEvaluator(names),
  };
}

/** Mean and standard deviation (divisor: the number of examples) of each number; 1 for one that never varies. */
export function spreadOf({ names, values }: ValueTarget): Spread {
  const n = names.length;
  const examples = values.length / n;
  const column = (j: number) => Array.from({ length: examples }, (_, i) => values[i * n + j]!);
  const average = (numbers: readonly number[]) => numbers.reduce((sum, x) => sum + x, 0) / numbers.length;
  const mean = names.map((_, j) => average(column(j)));
  const deviation = names.map((_, j) => Math.sqrt(average(column(j).map((x) => (x - mean[j]!) ** 2))) || 1);
  return { mean, deviation };
}
