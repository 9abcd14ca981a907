import { InputError, ShapeError, TrainingError } from '@kora-bench/core/errors';
import type { HostTensor } from '@kora-bench/core/graph';
import { formatShape, sameShape } from '@kora-bench/core/graph';
import type { EvaluationBatch, Evaluator, Metric } from '@kora-bench/core/training';
import { errorMetric } from '@kora-bench/core/training';

export const regressionMetrics: readonly Metric[] = [
  errorMetric({
    key: 'rmse',
    label: 'RMSE',
    description:
      'Root of the mean squared error of each number in its own unit, then the mean over the numbers.',
    primary: true,
    shown: 'table',
    scores: { score: 'squaredError', pooledAs: 'root-mean' },
  }),
  errorMetric({
    key: 'mae',
    label: 'MAE',
    description: 'Mean absolute error of each number in its own unit, then the mean over the numbers.',
    shown: 'table',
    scores: { score: 'absoluteError', pooledAs: 'mean' },
  }),
  errorMetric({
    key: 'r2',
    label: 'R²',
    description:
      '1 − squared error / squared deviation from the mean, then the mean over the numbers (scikit-learn’s ' +
      'r2_score); none where a number does not vary.',
    direction: 'higher',
    range: [Number.NEGATIVE_INFINITY, 1],
    shown: 'table',
  }),
];

/** Sums over the examples for one number. */
class NumberScores {
  #examples = 0;
  #squaredError = 0;
  #absoluteError = 0;
  #mean = 0;
  #squaredDeviation = 0;

  add(error: number, truth: number): void {
    this.#examples++;
    this.#squaredError += error * error;
    this.#absoluteError += Math.abs(error);
    // Welford's update: the difference of two sums of squares would cancel.
    const fromMean = truth - this.#mean;
    this.#mean += fromMean / this.#examples;
    this.#squaredDeviation += fromMean * (truth - this.#mean);
  }

  /** Root mean squared error of the mean as the answer to every example. */
  get deviation(): number {
    return Math.sqrt(this.#squaredDeviation / this.#examples);
  }

  result(): { readonly rmse: number; readonly mae: number; readonly r2: number | null } {
    const varies = this.#squaredDeviation > 0;
    return {
      rmse: Math.sqrt(this.#squaredError / this.#examples),
      mae: this.#absoluteError / this.#examples,
      r2: varies ? 1 - this.#squaredError / this.#squaredDeviation : null,
    };
  }
}

/**
 * Scores numbers `[n, names.length]`, in the targets' own units.
 * @param names of the numbers
 */
export function regressionEvaluator(names: readonly string[]): Evaluator {
  const numbers = names.map(() => new NumberScores());
  let examples = 0;
  return {
    add({ prediction, targets }: EvaluationBatch) {
      const truth = targets.value!;
      check(prediction, truth, names.length);
      const count = truth.shape[0]!;
      const squaredError = new Float64Array(count);
      const absoluteError = new Float64Array(count);
      examples += count;
      truth.data.forEach((value, i) => {
        const [example, j] = [Math.floor(i / names.length), i % names.length];
        const error = prediction.data[i]! - value;
        numbers[j]!.add(error, value);
        squaredError[example]! += error ** 2 / names.length;
        absoluteError[example]! += Math.abs(error) / names.length;
      });
      return { squaredError, absoluteError };
    },
    result() {
      if (examples === 0) {
        throw new InputError('There is no example to evaluate.', {
          where: 'evaluation set',
          expected: 'at least one example',
          received: '0 examples',
        });
      }
      const scores = numbers.map((number) => number.result());
      const average = (values: readonly number[]) => values.reduce((sum, x) => sum + x, 0) / names.length;
      const r2 = scores.map((score) => score.r2).filter((value) => value !== null);
      return {
        examples,
        values: {
          rmse: average(scores.map(({ rmse }) => rmse)),
          mae: average(scores.map(({ mae }) => mae)),
          r2: r2.length < names.length ? null : average(r2),
        },
        intervals: {},
        chance: {
          rmse: average(numbers.map(({ deviation }) => deviation)),
          ...(r2.length === names.length && { r2: 0 }),
        },
        details: { numbers: names.map((name, j) => ({ name, ...scores[j]! })) },
      };
    },
  };
}

function check(prediction: HostTensor, truth: HostTensor, width: number): void {
  if (!sameShape(prediction.shape, truth.shape) || truth.shape[1] !== width) {
    throw new ShapeError('The predicted numbers do not fit the targets.', {
      where: 'prediction',
      expected: `two tensors [n, ${width}]`,
      received: `${formatShape(prediction.shape)} and ${formatShape(truth.shape)}`,
    });
  }
  const bad = truth.data.findIndex((value) => !Number.isFinite(value));
  if (bad >= 0) {
    throw new InputError('A target is not finite.', {
      where: `value[${Math.floor(bad / width)}, ${bad % width}]`,
      expected: 'a finite number',
      received: String(truth.data[bad]),
      fix: 'Leave examples without a value out of the split.',
    });
  }
  const diverged = prediction.data.findIndex((value) => !Number.isFinite(value));
  if (diverged >= 0) {
    throw new TrainingError('A predicted number is not finite.', {
      where: `prediction[${Math.floor(diverged / width)}, ${diverged % width}]`,
      expected: 'a finite number',
      received: String(prediction.data[diverged]),
      fix: 'Lower the learning rate or clip the gradients.',
    });
  }
}
