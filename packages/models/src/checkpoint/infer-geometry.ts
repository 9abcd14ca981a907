import { CheckpointError } from '@kora-bench/core/errors';
import type { Shape } from '@kora-bench/core/graph';
import { formatShape } from '@kora-bench/core/graph';
import type { VitConfig } from '@kora-bench/core/nn';
import type { CheckpointConfig } from './checkpoint-config.js';
import type { TensorLayout } from './tensor-layout.js';

/**
 * The geometry of a ViT from the shapes of its tensors: width and patch from the patch embedding, depth
 * from the blocks' numbers, MLP width from `fc1`, classes from `head`. Heads cannot be seen in any shape.
 *
 * @param where the weights' file and the configuration's, for messages
 * @throws CheckpointError when a tensor that shows the geometry is missing or has another rank, when the
 *   configuration states something else, or when the number of heads is unknown or does not divide the width
 */
export function inferGeometry(
  tensors: TensorLayout,
  config: CheckpointConfig,
  where: { readonly weights: string; readonly config: string },
): VitConfig {
  const shapeOf = (name: string, form: string, fits: (shape: Shape) => boolean): Shape => {
    const shape = tensors.get(name)?.shape;
    if (shape !== undefined && fits(shape)) return shape;
    throw new CheckpointError('The geometry of the model cannot be seen in its tensors.', {
      where: `${where.weights}, tensor "${name}"`,
      expected: form,
      received: shape === undefined ? 'no such tensor' : formatShape(shape),
      fix: 'Use a Vision Transformer with timm’s or transformers’ tensor names.',
    });
  };
  const patch = shapeOf(
    'patch_embed.proj.weight',
    '[D, 3, P, P]',
    (s) => s.length === 4 && s[1] === 3 && s[2] === s[3],
  );
  const hidden = shapeOf('blocks.0.mlp.fc1.weight', '[M, D]', (s) => s.length === 2);
  const head = tensors.get('head.weight');
  const blocks = [...tensors.keys()].map((name) => Number(/^blocks\.(\d+)\./.exec(name)?.[1] ?? -1));
  const seen = {
    patchSize: patch[2]!,
    width: patch[0]!,
    depth: 1 + blocks.reduce((most, block) => Math.max(most, block), -1),
    mlpWidth: hidden[0]!,
  };
  for (const key of ['patchSize', 'width', 'depth', 'mlpWidth'] as const) {
    const stated = config.stated[key];
    if (stated === undefined || stated === seen[key]) continue;
    throw new CheckpointError(`The configuration and the weights disagree about the model’s ${key}.`, {
      where: where.config,
      expected: `${seen[key]}, as in ${where.weights}`,
      received: String(stated),
      fix: 'Use the config.json and the weights of the same model.',
    });
  }
  return {
    name: config.name,
    imageSize: config.imageSize,
    ...seen,
    heads: checkedHeads(
      config.stated.heads ?? knownHeads(config.name, seen.width),
      seen.width,
      config.name,
      where.config,
    ),
    numClasses: head === undefined ? 0 : shapeOf('head.weight', '[C, D]', (s) => s.length === 2)[0]!,
    layerNormEps: config.layerNormEps,
  };
}

function checkedHeads(heads: number | undefined, width: number, name: string, where: string): number {
  if (heads !== undefined && width % heads === 0) return heads;
  throw new CheckpointError(
    'The number of attention heads cannot be seen in the weights and must be stated.',
    {
      where: `${where}: model_args.num_heads`,
      expected: `a divisor of the width ${width}`,
      received: heads === undefined ? `nothing, and "${name}" is no registered architecture` : String(heads),
      fix: 'Add "model_args": {"num_heads": …} to config.json.',
    },
  );
}

/** Geometry of the sizes, as timm's `vision_transformer.py` registers them. */
export const vitSizes = {
  tiny: { title: 'ViT-Ti', width: 192, depth: 12, heads: 3 },
  small: { title: 'ViT-S', width: 384, depth: 12, heads: 6 },
  base: { title: 'ViT-B', width: 768, depth: 12, heads: 12 },
  large: { title: 'ViT-L', width: 1024, depth: 24, heads: 16 },
} as const;

export type VitSize = keyof typeof vitSizes;

/**
 * Attention heads of an architecture by timm's name, e.g. 3 for `vit_tiny_patch16_224`; `undefined` when
 * the name says no size, or the width is not that size's.
 */
export function knownHeads(architecture: string, width: number): number | undefined {
  const size = /^vit_(tiny|small|base|large)_patch\d+_\d+$/.exec(architecture)?.[1] as VitSize | undefined;
  return size !== undefined && vitSizes[size].width === width ? vitSizes[size].heads : undefined;
}
