import type { GraphBuilder } from '../graph/graph-builder.js';
import type { Shape } from '../graph/shape.js';
import type { VitOutput } from '../nn/vit.js';
import type { VitConfig } from '../nn/vit-config.js';
import { patchGrid } from '../nn/vit-weights.js';
import { crossEntropy } from '../ops/cross-entropy.js';
import { broadcastTo, reshape, transpose } from '../ops/layout.js';
import { linear } from '../ops/linear.js';
import { concat } from '../ops/slicing.js';
import type { ParameterSpec } from '../peft/parameter.js';
import type { Tensor } from '../tensor/tensor.js';
import { scaleInvariantDepthLoss } from './losses.js';

/** What a model is trained to do: a head on the backbone's output and its loss. */
export interface Task {
  readonly kind: 'classification' | 'depth';
  /** The head's parameters, named `head.…`. */
  parameters(model: VitConfig): readonly ParameterSpec[];
  /** The prediction: logits `[B, C]`, or log depth in log metres `[B, H, W]`. */
  predict(output: VitOutput, model: VitConfig, parameter: (name: string) => Tensor): Tensor;
  /** Name, shape and dtype of the target feed for a batch of B. */
  target(
    model: VitConfig,
    batch: number,
  ): { readonly name: string; readonly shape: Shape; readonly dtype: 'f32' | 'i32' };
  /** Loss per example `[B]`. */
  loss(builder: GraphBuilder, prediction: Tensor, target: Tensor): Tensor;
}

/** A linear head on the class token with cross-entropy; `labelSmoothing` in [0, 1). */
export function classificationTask(classes: number, labelSmoothing = 0): Task {
  return {
    kind: 'classification',
    parameters: ({ width }) => [
      { name: 'head.weight', shape: [classes, width], init: { kind: 'truncatedNormal', std: 0.02 } },
      { name: 'head.bias', shape: [classes], init: { kind: 'zeros' } },
    ],
    predict: ({ features }, _model, parameter) =>
      linear(features, parameter('head.weight'), parameter('head.bias')),
    target: (_model, batch) => ({ name: 'labels', shape: [batch], dtype: 'i32' }),
    loss: (_builder, logits, labels) => crossEntropy(logits, labels, labelSmoothing),
  };
}

/**
 * Monocular depth: each patch predicts the log depth of its own pixels from its token and the class
 * token (the "project" readout of Ranftl et al. 2021), so that a method which changes only the class
 * token takes part too. The bias starts at the log of a typical distance, 2 metres.
 */
export function depthTask(): Task {
  return {
    kind: 'depth',
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
    target: ({ imageSize }, batch) => ({
      name: 'depth',
      shape: [batch, imageSize[0], imageSize[1]],
      dtype: 'f32',
    }),
    loss: (_builder, prediction, depth) => scaleInvariantDepthLoss(prediction, depth),
  };
}
