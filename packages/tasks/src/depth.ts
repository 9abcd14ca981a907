import type { Architecture } from '@kora-bench/core/nn';
import { patchTokens } from '@kora-bench/core/nn';
import { reshape, transpose } from '@kora-bench/core/ops';
import type { Task } from '@kora-bench/core/training';
import { defineTask, scaleInvariantDepthLoss } from '@kora-bench/core/training';
import { z } from 'zod';
import { projectReadout } from './dense-head.js';
import { depthEvaluator, depthMetrics, metresOf } from './depth-scores.js';

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
    parameters(model) {
      const [height, width] = patchSize(model);
      return [
        {
          name: 'head.weight',
          shape: [height * width, model.featureWidth + model.width],
          init: { kind: 'truncatedNormal', std: 0.02 },
        },
        { name: 'head.bias', shape: [height * width], init: { kind: 'constant', value: Math.log(2) } },
      ];
    },
    predict({ features, tokens }, model, parameter) {
      const patches = patchTokens(tokens);
      const batch = patches.shape[0]!;
      const [rows, columns] = tokens.layout.grid;
      const [height, width] = patchSize(model);
      const pixels = projectReadout({
        features,
        patches: [patches],
        weight: parameter('head.weight'),
        bias: parameter('head.bias'),
      });
      const tiles = transpose(reshape(pixels, [batch, rows, columns, height, width]), [0, 1, 3, 2, 4]);
      return reshape(tiles, [batch, rows * height, columns * width]);
    },
    targets: ({ imageSize }, batch) => [{ kind: 'depth', shape: [batch, ...imageSize], dtype: 'f32' }],
    loss: (prediction, targets) => scaleInvariantDepthLoss(prediction, targets.depth!),
    evaluator: () => depthEvaluator(maximum),
    pixels: ({ data }) => ({ kind: 'depth', values: metresOf(data, maximum) }),
  };
}

/** Pixels of a patch, height and width. */
function patchSize({ imageSize, tokens: { grid } }: Architecture): readonly [height: number, width: number] {
  return [imageSize[0] / grid[0], imageSize[1] / grid[1]];
}
