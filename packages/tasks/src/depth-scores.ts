import { ShapeError } from '@kora-bench/core/errors';
import { formatShape, sameShape } from '@kora-bench/core/graph';
import { DepthMetrics } from '@kora-bench/core/metrics';
import type { Evaluator, Metric } from '@kora-bench/core/training';
import { errorMetric, shareMetric } from '@kora-bench/core/training';

/*
 * All are over measured pixels, in metres. Papers differ in how they average: over all pixels together (Eigen
 * et al. 2014), or over each image and then over the images (most code since). The two are equal but for the
 * roots where every image has as many measured pixels; `image…` are the second kind.
 */
export const depthMetrics: readonly Metric[] = [
  errorMetric({
    key: 'rmse',
    label: 'RMSE',
    unit: 'm',
    description: 'Root of the mean squared error over the measured pixels of all images together, metres.',
    primary: true,
    shown: 'table',
    scores: { score: 'rmse', pooledAs: 'root-mean-square', weight: 'pixels' },
  }),
  errorMetric({
    key: 'absRel',
    label: 'AbsRel',
    description: 'Mean of |prediction − depth| / depth over the measured pixels of all images together.',
    shown: 'table',
    scores: { score: 'absRel', pooledAs: 'mean', weight: 'pixels' },
  }),
  shareMetric({
    key: 'delta1',
    label: 'δ<1.25',
    description: 'Share of measured pixels with max(p/t, t/p) < 1.25.',
    shown: 'table',
    scores: { score: 'delta1', pooledAs: 'mean', weight: 'pixels' },
  }),
  shareMetric({
    key: 'delta2',
    label: 'δ<1.25²',
    description: 'Share of measured pixels with max(p/t, t/p) < 1.5625.',
  }),
  shareMetric({
    key: 'delta3',
    label: 'δ<1.25³',
    description: 'Share of measured pixels with max(p/t, t/p) < 1.953125.',
  }),
  errorMetric({
    key: 'log10',
    label: 'log10',
    description: 'Mean of |log₁₀ prediction − log₁₀ depth| over the measured pixels (Saxena et al. 2009).',
  }),
  errorMetric({
    key: 'rmseLog',
    label: 'RMSE log',
    description: 'Root of the mean squared error in ln depth over the measured pixels (Eigen et al. 2014).',
  }),
  errorMetric({
    key: 'scaleInvariantLog',
    label: 'SI log',
    description: 'Variance of the error in ln depth (Eigen et al. 2014, eq. 1 to 3, without a root).',
  }),
  errorMetric({
    key: 'imageRmse',
    label: 'image RMSE',
    unit: 'm',
    description: 'RMSE of each image’s measured pixels, then the mean over the images, metres.',
    scores: { score: 'rmse', pooledAs: 'mean' },
  }),
  errorMetric({
    key: 'imageAbsRel',
    label: 'image AbsRel',
    description: 'AbsRel of each image’s measured pixels, then the mean over the images.',
    scores: { score: 'absRel', pooledAs: 'mean' },
  }),
];

/** Metres of predicted ln metres, capped at the maximum. */
export function metresOf(logs: ArrayLike<number>, maximum = Number.POSITIVE_INFINITY): Float64Array {
  return Float64Array.from(logs, (log) => Math.min(maximum, Math.exp(log)));
}

/**
 * Scores ln metres `[n, H, W]` against metres `[n, H, W]`, 0 where not measured. An image without a measured
 * pixel has NaN for scores of its own and counts in no mean.
 * @param maximum metres that predictions are capped at; none by default
 */
export function depthEvaluator(maximum = Number.POSITIVE_INFINITY): Evaluator {
  const pooled = new DepthMetrics();
  let examples = 0;
  const overImages = { images: 0, rmse: 0, absRel: 0 };
  return {
    add({ prediction, targets }) {
      const truth = targets.depth!;
      if (!sameShape(prediction.shape, truth.shape)) {
        throw new ShapeError('The predicted depth does not fit the target.', {
          where: 'prediction',
          expected: formatShape(truth.shape),
          received: formatShape(prediction.shape),
        });
      }
      const metres = metresOf(prediction.data, maximum);
      const target = Float64Array.from(truth.data);
      pooled.add(metres, target);
      const count = truth.shape[0]!;
      const pixels = target.length / count;
      const rmse = new Float64Array(count).fill(Number.NaN);
      const absRel = new Float64Array(count).fill(Number.NaN);
      const delta1 = new Float64Array(count).fill(Number.NaN);
      const measured = new Float64Array(count);
      examples += count;
      for (let i = 0; i < count; i++) {
        const range = [i * pixels, (i + 1) * pixels] as const;
        const own = target.subarray(...range);
        if (!own.some((depth) => depth > 0)) continue;
        const metrics = new DepthMetrics();
        metrics.add(metres.subarray(...range), own);
        const scores = metrics.result();
        rmse[i] = scores.rmse;
        absRel[i] = scores.absRel;
        delta1[i] = scores.delta1;
        measured[i] = scores.validPixels;
        overImages.images++;
        overImages.rmse += scores.rmse;
        overImages.absRel += scores.absRel;
      }
      return { rmse, absRel, delta1, pixels: measured };
    },
    result() {
      const { scaleInvariantLogError, validPixels, clampedPixels, ...scores } = pooled.result();
      const { images } = overImages;
      return {
        examples,
        values: {
          ...scores,
          scaleInvariantLog: scaleInvariantLogError,
          imageRmse: overImages.rmse / images,
          imageAbsRel: overImages.absRel / images,
        },
        intervals: {},
        details: {
          measuredPixels: validPixels,
          measuredImages: images,
          clampedPixels,
          ...(Number.isFinite(maximum) && { cappedAt: maximum }),
        },
      };
    },
  };
}
