import type { Evaluator, Metric, Task } from '@kora-bench/core';
import {
  broadcastTo,
  concat,
  DepthMetrics,
  defineTask,
  errorMetric,
  linear,
  patchGrid,
  reshape,
  scaleInvariantDepthLoss,
  shareMetric,
  sizeOf,
  transpose,
} from '@kora-bench/core';
import { z } from 'zod';

/** Metres per pixel from one image, in log depth. */
export const depth = defineTask({
  name: 'depth',
  description: 'Metres per pixel: each patch predicts the log depth of its pixels; RMSE, AbsRel, δ.',
  targets: ['depth'],
  options: z.strictObject({}),
  create: () => depthTask(),
});

/**
 * Monocular depth: each patch predicts the log depth of its own pixels from its token and the class
 * token (the "project" readout of Ranftl et al. 2021), so that a method which changes only the class
 * token takes part too. The bias starts at the log of a typical distance, 2 metres.
 */
export function depthTask(): Task {
  return {
    name: depth.name,
    metrics: depthMetrics,
    parameters: ({ width, patchSize }) => [
      {
        name: 'head.weight',
        shape: [patchSize ** 2, 2 * width],
        init: { kind: 'truncatedNormal', std: 0.02 },
      },
      { name: 'head.bias', shape: [patchSize ** 2], init: { kind: 'constant', value: Math.log(2) } },
    ],
    predict({ features, patchTokens }, model, parameter) {
      const [batch, patches, width] = [patchTokens.shape[0]!, patchTokens.shape[1]!, patchTokens.shape[2]!];
      const [rows, columns] = patchGrid(model);
      const p = model.patchSize;
      const everywhere = broadcastTo(reshape(features, [batch, 1, width]), [batch, patches, width]);
      const pixels = linear(
        concat([patchTokens, everywhere], 2),
        parameter('head.weight'),
        parameter('head.bias'),
      );
      const tiles = transpose(reshape(pixels, [batch, rows, columns, p, p]), [0, 1, 3, 2, 4]);
      return reshape(tiles, [batch, rows * p, columns * p]);
    },
    targets: ({ imageSize }, batch) => [{ kind: 'depth', shape: [batch, ...imageSize], dtype: 'f32' }],
    loss: (prediction, targets) => scaleInvariantDepthLoss(prediction, targets.depth!),
    evaluator: depthEvaluator,
  };
}

const depthMetrics: readonly Metric[] = [
  errorMetric({
    key: 'rmse',
    label: 'RMSE',
    unit: 'm',
    description: 'Root of the mean squared error over the measured pixels, metres.',
    primary: true,
    shown: 'table',
  }),
  errorMetric({
    key: 'absRel',
    label: 'AbsRel',
    description: 'Mean of |prediction − depth| / depth over the measured pixels.',
    shown: 'table',
  }),
  shareMetric({
    key: 'delta1',
    label: 'δ<1.25',
    description: 'Share of measured pixels with max(p/t, t/p) < 1.25.',
    shown: 'table',
  }),
  errorMetric({
    key: 'scaleInvariantLog',
    label: 'SI log',
    description: 'Variance of the error in log depth (Eigen et al. 2014, eq. 1 to 3, without a root).',
  }),
];

function depthEvaluator(): Evaluator {
  const pooled = new DepthMetrics();
  let examples = 0;
  return {
    add({ prediction, targets }) {
      const metres = Float32Array.from(prediction.data, Math.exp);
      const target = Float32Array.from(targets.depth!.data);
      const count = prediction.shape[0]!;
      const size = sizeOf(prediction.shape.slice(1));
      pooled.add(metres, target);
      examples += count;
      const rmse = new Float64Array(count).fill(Number.NaN);
      const absRel = new Float64Array(count).fill(Number.NaN);
      for (let i = 0; i < count; i++) {
        const own = new DepthMetrics();
        const truth = target.subarray(i * size, (i + 1) * size);
        own.add(metres.subarray(i * size, (i + 1) * size), truth);
        if (!truth.some((metre) => metre > 0)) continue;
        const scores = own.result();
        rmse[i] = scores.rmse;
        absRel[i] = scores.absRel;
      }
      return { rmse, absRel };
    },
    result() {
      const { rmse, absRel, delta125, scaleInvariantLogError, validPixels } = pooled.result();
      return {
        examples,
        values: { rmse, absRel, delta1: delta125, scaleInvariantLog: scaleInvariantLogError },
        intervals: {},
        details: { measuredPixels: validPixels },
      };
    },
  };
}
