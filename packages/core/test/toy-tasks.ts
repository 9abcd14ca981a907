import { patchGrid } from '@kora-bench/core/nn';
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
    parameters: ({ width, patchSize }) => [
      { name: 'head.weight', shape: [patchSize ** 2, 2 * width], init: { kind: 'normal', std: 0.02 } },
      { name: 'head.bias', shape: [patchSize ** 2], init: { kind: 'zeros' } },
    ],
    predict({ features, patchTokens }, model, parameter) {
      const [batch, patches, width] = patchTokens.shape as [number, number, number];
      const [rows, columns] = patchGrid(model);
      const p = model.patchSize;
      const everywhere = broadcastTo(reshape(features, [batch, 1, width]), [batch, patches, width]);
      const joined = concat([patchTokens, everywhere], 2);
      const pixels = linear(joined, parameter('head.weight'), parameter('head.bias'));
      const tiles = transpose(reshape(pixels, [batch, rows, columns, p, p]), [0, 1, 3, 2, 4]);
      return reshape(tiles, [batch, rows * p, columns * p]);
    },
    targets: ({ imageSize }, batch) => [{ kind: 'depth', shape: [batch, ...imageSize], dtype: 'f32' }],
    loss: (prediction, { depth }) => scaleInvariantDepthLoss(prediction, depth!),
  };
}
