import { FormatError } from '@kora-bench/core/errors';
import type { Weights } from '@kora-bench/core/graph';
import { interpolatePositionEmbedding, vitTokens } from '@kora-bench/core/nn';
import { readSafetensors } from '@kora-bench/core/safetensors';
import { vitMicroConfig } from '@kora-bench/models/vit-micro-config';
import { model } from './recipe.js';

/**
 * The embedded backbone's weights with its position embedding interpolated to the recipe's image size.
 * @param bytes its `model.safetensors`
 * @throws FormatError when the file is not whole
 */
export function readBackbone(bytes: Uint8Array): Weights {
  const { tensors } = readSafetensors(bytes, 'model.safetensors');
  const positions = tensors.get('pos_embed');
  if (positions === undefined) {
    throw new FormatError('The backbone has no position embedding.', {
      where: 'model.safetensors: pos_embed',
      expected: `the weights of ${vitMicroConfig.name}`,
      received: [...tensors.keys()].join(', '),
      fix: 'Restore the file from the package, or make it with `pnpm pretrain`.',
    });
  }
  const resized = interpolatePositionEmbedding(positions, vitTokens(vitMicroConfig).grid, model.tokens.grid);
  return new Map([...tensors, ['pos_embed', resized]]);
}
