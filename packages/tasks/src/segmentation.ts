import { ignoredPixel, requireTarget } from '@kora-bench/core/data';
import { InputError } from '@kora-bench/core/errors';
import type { Shape, Tensor } from '@kora-bench/core/graph';
import type { Architecture, ForwardOutput } from '@kora-bench/core/nn';
import { patchTokens } from '@kora-bench/core/nn';
import {
  cast,
  constant,
  crossEntropy,
  div,
  greater,
  maximum,
  mul,
  narrow,
  reshape,
  sum,
  where,
} from '@kora-bench/core/ops';
import type { Task } from '@kora-bench/core/training';
import { defineTask } from '@kora-bench/core/training';
import { z } from 'zod';
import { projectReadout, upsampleBilinear } from './dense-head.js';
import { classesOf, segmentationEvaluator, segmentationMetrics } from './segmentation-scores.js';

const options = z.strictObject({
  /** Blocks whose patch tokens the head reads, joined over their features: from 0, or negative from the end. */
  blocks: z.array(z.int()).min(1).default([-1]),
  /** Whether the backbone's last norm is applied to every block's tokens, as DINOv2 does. */
  norm: z.boolean().default(true),
  /** The loss takes every n-th pixel of every n-th row; scores always take all. */
  lossStride: z.int().min(1).default(1),
});

export type SegmentationOptions = z.infer<typeof options>;

/** One class per pixel: a linear head on the patch tokens, its logits interpolated to the mask's size. */
export const segmentation = defineTask({
  name: 'segmentation',
  description: 'One class per pixel: a linear head on the patch tokens, logits upsampled bilinearly; mIoU.',
  targets: ['mask'],
  options,
  create: ({ targets, labelSmoothing }, chosen) =>
    segmentationTask({
      classNames: requireTarget(targets, 'mask', 'the training split').classNames,
      labelSmoothing,
      ...chosen,
    }),
});

export interface SegmentationTaskOptions extends Partial<SegmentationOptions> {
  /** Class names by index; their count is C. */
  readonly classNames: readonly string[];
  /** In [0, 1), default 0. */
  readonly labelSmoothing?: number;
}

/**
 * Semantic segmentation with the linear head of DINOv2 (Oquab et al. 2024, section 7.4) without its batch
 * norm: each patch has C logits, interpolated bilinearly. The head also reads `features`, see
 * {@link projectReadout}.
 *
 * The prediction is the patches' logits `[B, rows, columns, C]`; loss and scores interpolate them. So a device
 * hands back 196 × C numbers per image of 224², not 50,176 × C.
 */
export function segmentationTask({
  classNames,
  labelSmoothing = 0,
  ...given
}: SegmentationTaskOptions): Task {
  const { blocks, norm, lossStride } = options.parse(given);
  const classes = classNames.length;
  return {
    name: segmentation.name,
    metrics: segmentationMetrics,
    parameters(model) {
      const read = resolveBlocks(blocks, model).length;
      checkStride(lossStride, model);
      const shape: Shape = [classes, read * model.width + model.featureWidth];
      return [
        { name: 'head.weight', shape, init: { kind: 'truncatedNormal', std: 0.02 } },
        { name: 'head.bias', shape: [classes], init: { kind: 'zeros' } },
      ];
    },
    predict(output, model, parameter) {
      const tokensOf = (block: number) => blockPatches(output, model, { block, norm, parameter });
      const logits = projectReadout({
        features: output.features,
        patches: resolveBlocks(blocks, model).map(tokensOf),
        weight: parameter('head.weight'),
        bias: parameter('head.bias'),
      });
      return reshape(logits, [logits.shape[0]!, ...output.tokens.layout.grid, classes]);
    },
    targets: ({ imageSize }, batch) => [{ kind: 'mask', shape: [batch, ...imageSize], dtype: 'i32' }],
    loss: (prediction, { mask }) =>
      segmentationLoss(prediction, mask!, { labelSmoothing, stride: lossStride }),
    evaluator: () => segmentationEvaluator(classNames),
    pixels: (prediction, size) => ({ kind: 'mask', values: classesOf(prediction, size) }),
  };
}

/**
 * Mean cross-entropy per example over its labelled pixels, at the mask's resolution: PyTorch's
 * `F.cross_entropy(F.interpolate(logits, mask size, mode='bilinear'), mask, ignore_index=-1)` of each example.
 * @param logits `[B, rows, columns, C]`
 * @param mask `[B, H, W]` i32, classes from 0 to C − 1, −1 where there is none
 * @returns `[B]`; 0, and no gradient, for an example without a labelled pixel
 */
export function segmentationLoss(
  logits: Tensor,
  mask: Tensor,
  { labelSmoothing = 0, stride = 1 }: { readonly labelSmoothing?: number; readonly stride?: number } = {},
): Tensor {
  const [batch, height, width] = mask.shape as [number, number, number];
  const dense = upsampleBilinear(logits, [height, width], stride);
  const labels = reshape(everyNth(everyNth(mask, 1, stride), 2, stride), [-1]);
  const labelled = greater(labels, constant(mask.builder, Int32Array.of(ignoredPixel), []));
  // An index that is no class has no cross-entropy: such pixels are class 0 here and then count 0 times.
  const known = where(labelled, labels, constant(mask.builder, Int32Array.of(0), []));
  const weight = cast(labelled, 'f32');
  const losses = crossEntropy(reshape(dense, [-1, logits.shape[3]!]), known, labelSmoothing);
  const perExample = (values: Tensor) => sum(reshape(values, [batch, -1]), { axes: [1] });
  return div(perExample(mul(losses, weight)), maximum(perExample(weight), 1));
}

/** Elements ⌊n / 2⌋, ⌊n / 2⌋ + n, … along `axis`, whose extent is a multiple of n. */
function everyNth(x: Tensor, axis: number, n: number): Tensor {
  if (n === 1) return x;
  const [before, after] = [x.shape.slice(0, axis), x.shape.slice(axis + 1)];
  const count = x.shape[axis]! / n;
  const middle = Math.floor(n / 2);
  const chosen = narrow(reshape(x, [...before, count, n, ...after]), axis + 1, middle, middle + 1);
  return reshape(chosen, [...before, count, ...after]);
}

interface BlockReading {
  readonly block: number;
  readonly norm: boolean;
  parameter(name: string): Tensor;
}

/** The patch tokens `[B, rows·columns, D]` after a block. */
function blockPatches(
  output: ForwardOutput,
  model: Architecture,
  { block, norm, parameter }: BlockReading,
): Tensor {
  if (norm && block === model.depth - 1) return patchTokens(output.tokens);
  const tokens = patchTokens(output.blocks[block]!);
  return norm ? model.lastNorm(tokens, parameter) : tokens;
}

/** Block numbers from 0. @throws InputError for a block that is not there, or is named twice */
function resolveBlocks(blocks: readonly number[], { name, depth }: Architecture): number[] {
  const resolved = blocks.map((block) => (block < 0 ? block + depth : block));
  for (const [i, block] of resolved.entries()) {
    const missing = block < 0 || block >= depth;
    if (!missing && resolved.indexOf(block) === i) continue;
    throw new InputError(
      missing ? `${name} has no block ${blocks[i]}.` : `The head reads block ${block} twice.`,
      {
        where: `segmentation option blocks[${i}]`,
        expected: `different blocks from 0 to ${depth - 1}, or −${depth} to −1 counted from the end`,
        received: `[${blocks.join(', ')}]`,
        fix: missing
          ? 'Name blocks that the model has; −1 is the last of any model.'
          : 'Name each block once.',
      },
    );
  }
  return resolved;
}

/** @throws InputError when the image's sides are not multiples of the stride */
function checkStride(stride: number, { name, imageSize }: Architecture): void {
  if (imageSize.every((side) => side % stride === 0)) return;
  throw new InputError(`A loss stride of ${stride} does not fit the images of ${name}.`, {
    where: 'segmentation option lossStride',
    expected: `a divisor of ${imageSize[0]} and ${imageSize[1]}`,
    received: String(stride),
    fix: 'Choose a divisor of the image’s sides, e.g. 1 or 2.',
  });
}
