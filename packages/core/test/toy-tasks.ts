import type { Architecture } from '@kora-bench/core/nn';
import { patchTokens } from '@kora-bench/core/nn';
import { broadcastTo, concat, crossEntropy, linear, reshape, transpose } from '@kora-bench/core/ops';
import type { Evaluator, Task } from '@kora-bench/core/training';
import { scaleInvariantDepthLoss } from '@kora-bench/core/training';

/*
 * Two tasks as small as they can be, since the real ones stand in packages above: one that reads the class
 * token alone, one that reads every token. Nothing here evaluates.
 */

const noScores: Pick<Task, 'metrics' | 'evaluator'> = {
  metrics: [],
  evaluator: (): Evaluator => ({
    add: () => ({}),
    result: () => ({ examples: 0, values: {}, intervals: {}, details: {} }),
  }),
};

/** A linear head on the features: logits `[B, classes]`. */
export function toyClassification(classes: number): Task {
  return {
    ...noScores,
    name: 'toy-classification',
    parameters: ({ width }) => [
      { name: 'head.weight', shape: [classes, width], init: { kind: 'truncatedNormal', std: 0.02 } },
      { name: 'head.bias', shape: [classes], init: { kind: 'zeros' } },
    ],
    predict: ({ features }, _model, parameter) =>
      linear(features, parameter('head.weight'), parameter('head.bias')),
    targets: (_model, batch) => [{ kind: 'label', shape: [batch], dtype: 'i32' }],
    loss: (logits, { label }) => crossEntropy(logits, label!),
  };
}

/** Each patch predicts its pixels from its token and the class token: log metres `[B, H, W]`. */
export function toyDepth(): Task {
  return {
    ...noScores,
    name: 'toy-depth',
    parameters(model) {
      const pixels = patchSide(model) ** 2;
      return [
        { name: 'head.weight', shape: [pixels, 2 * model.width], init: { kind: 'normal', std: 0.02 } },
        { name: 'head.bias', shape: [pixels], init: { kind: 'zeros' } },
      ];
    },
    predict({ features, tokens }, model, parameter) {
      const each = patchTokens(tokens);
      const [batch, patches, width] = each.shape as [number, number, number];
      const [rows, columns] = tokens.layout.grid;
      const p = patchSide(model);
      const everywhere = broadcastTo(reshape(features, [batch, 1, width]), [batch, patches, width]);
      const joined = concat([each, everywhere], 2);
      const pixels = linear(joined, parameter('head.weight'), parameter('head.bias'));
      const tiles = transpose(reshape(pixels, [batch, rows, columns, p, p]), [0, 1, 3, 2, 4]);
      return reshape(tiles, [batch, rows * p, columns * p]);
    },
    targets: ({ imageSize }, batch) => [{ kind: 'depth', shape: [batch, ...imageSize], dtype: 'f32' }],
    loss: (prediction, { depth }) => scaleInvariantDepthLoss(prediction, depth!),
  };
}

const patchSide = ({ imageSize, tokens }: Architecture) => imageSize[0] / tokens.grid[0];
