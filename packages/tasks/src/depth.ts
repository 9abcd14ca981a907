import { patchGrid } from '@kora-bench/core/nn';
import { reshape, transpose } from '@kora-bench/core/ops';
import type { Task } from '@kora-bench/core/training';
import { defineTask, scaleInvariantDepthLoss } from '@kora-bench/core/training';
import { z } from 'zod';
import { projectReadout } from './dense-head.js';
import { depthEvaluator, depthMetrics } from './depth-scores.js';

const options = z.strictObject({
  /**
   * Metres that predictions are capped at before they are scored, e.g. 10 for NYU Depth V2, as most published
   * evaluations do. Training knows no cap. Absent: no cap.
   */
  maximum: z.number().positive().optional(),
});

export type DepthOptions = z.infer<typeof options>;

/** Metres per pixel from one image, in log depth. */
export const depth = defineTask({
  name: 'depth',
  description: 'Metres per pixel: each patch predicts the log depth of its pixels; RMSE, AbsRel, δ.',
  targets: ['depth'],
  options,
  create: (_context, chosen) => depthTask(chosen),
});

/**
 * Monocular depth: each patch predicts the log depth of its own pixels from its token and the class token, see
 * {@link projectReadout}. The bias starts at the log of a typical distance, 2 metres. The prediction is the
 * natural log of metres, `[B, H, W]`.
 */
export function depthTask(given: DepthOptions = {}): Task {
  const { maximum } = options.parse(given);
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
      const batch = patchTokens.shape[0]!;
      const [rows, columns] = patchGrid(model);
      const p = model.patchSize;
      const pixels = projectReadout({
        features,
        patches: [patchTokens],
        weight: parameter('head.weight'),
        bias: parameter('head.bias'),
      });
      const tiles = transpose(reshape(pixels, [batch, rows, columns, p, p]), [0, 1, 3, 2, 4]);
      return reshape(tiles, [batch, rows * p, columns * p]);
    },
    targets: ({ imageSize }, batch) => [{ kind: 'depth', shape: [batch, ...imageSize], dtype: 'f32' }],
    loss: (prediction, targets) => scaleInvariantDepthLoss(prediction, targets.depth!),
    evaluator: () => depthEvaluator(maximum),
  };
}
