import { CheckpointError } from '@kora-bench/core/errors';
import type { Shape } from '@kora-bench/core/graph';
import { formatShape } from '@kora-bench/core/graph';
import type { VitConfig } from '@kora-bench/core/nn';
import type { CheckpointConfig } from './checkpoint-config.js';
import type { TensorLayout } from './tensor-layout.js';

/** What the shapes of tensors show, in the words of errors. */
const visible = {
  patchSize: 'patch size',
  width: 'width',
  depth: 'depth',
  mlpWidth: 'MLP width',
} as const;

/**
 * The geometry of a ViT from the shapes of its tensors: width and patch from the patch embedding, depth
 * from the blocks' numbers, MLP width from `fc2`, classes from `head`. Heads cannot be seen in any shape.
 *
 * @param where the weights' file and the configuration's, for messages
 * @throws CheckpointError when a tensor that shows the geometry is missing or has another rank, when the
 *   configuration or the architecture's name states something else, or when the number of heads is unknown or does
 *   not divide the width
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
      received: shape === undefined ? `no such tensor among ${someNames(tensors)}` : formatShape(shape),
      fix: 'Use the weights of a Vision Transformer with timm’s or transformers’ tensor names.',
    });
  };
  const patch = shapeOf(
    'patch_embed.proj.weight',
    '[D, 3, P, P]',
    (s) => s.length === 4 && s[1] === 3 && s[2] === s[3],
  );
  const hidden = shapeOf('blocks.0.mlp.fc2.weight', '[D, M]', (s) => s.length === 2);
  const blocks = [...tensors.keys()].map((name) => Number(/^blocks\.(\d+)\./.exec(name)?.[1] ?? -1));
  const seen = {
    patchSize: patch[2]!,
    width: patch[0]!,
    depth: 1 + blocks.reduce((most, block) => Math.max(most, block), -1),
    mlpWidth: hidden[1]!,
  };
  for (const key of Object.keys(visible) as (keyof typeof visible)[]) {
    const stated = config.stated[key];
    if (stated === undefined || stated === seen[key]) continue;
    throw new CheckpointError(
      `The configuration and the weights disagree about the model’s ${visible[key]}.`,
      {
        where: where.config,
        expected: `${seen[key]}, as in ${where.weights}`,
        received: `${stated} (${config.name})`,
        fix: 'Use the config.json and the weights of the same model.',
      },
    );
  }
  const head = tensors.has('head.weight') ? shapeOf('head.weight', '[C, D]', (s) => s.length === 2)[0]! : 0;
  return {
    layerNormEps: 1e-6,
    ...config.stated,
    name: config.name,
    imageSize: config.imageSize,
    ...seen,
    heads: checkedHeads(seen.width, config, where.config),
    numClasses: head,
    ...(head > 0 && !tensors.has('head.bias') && { headBias: false }),
  };
}

function someNames(tensors: TensorLayout): string {
  const names = [...tensors.keys()];
  return names.length === 0 ? 'none' : `${names.slice(0, 4).join(', ')}${names.length > 4 ? ', …' : ''}`;
}

function checkedHeads(width: number, config: CheckpointConfig, where: string): number {
  const { heads } = config.stated;
  if (heads !== undefined && width % heads === 0) return heads;
  const details = { where: `${where}: ${config.headsField}`, expected: `a divisor of the width ${width}` };
  if (heads !== undefined) {
    throw new CheckpointError('The number of attention heads does not divide the model’s width.', {
      ...details,
      received: `${heads} (${config.name})`,
      fix: 'Use the config.json and the weights of the same model.',
    });
  }
  throw new CheckpointError(
    'The number of attention heads cannot be seen in the weights and must be stated.',
    {
      ...details,
      received: `nothing, and "${config.name}" is no architecture of timm’s`,
      fix: 'Save the model with save_for_hf of timm, or state num_heads in model_args as it was trained: with another number it would load, and its outputs would be wrong.',
    },
  );
}
