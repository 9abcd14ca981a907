import { createHash } from 'node:crypto';
import { CheckpointError, InputError } from '@kora-bench/core/errors';
import type { HostTensor } from '@kora-bench/core/graph';
import {
  interpolatePositionEmbedding,
  positionedPrefix,
  type VitConfig,
  vitTokens,
} from '@kora-bench/core/nn';

type Size = readonly [height: number, width: number];

const sameSize = (a: VitConfig, b: VitConfig) => a.imageSize.every((side, i) => side === b.imageSize[i]);

/** The model for images of another size; the same size gives it back unchanged. */
export function adaptConfig(config: VitConfig, imageSize: Size): VitConfig {
  return sameSize(config, { ...config, imageSize }) ? config : { ...config, imageSize };
}

/**
 * Whether an image size that a user asks for suits the model. Sizes that a checkpoint itself states may be uneven: the
 * rest of a row or column of patches is left out, as timm does.
 * @throws InputError when a side is not a multiple of the patch size
 */
export function checkAskedSize(config: VitConfig, imageSize: Size): void {
  if (sameSize(config, { ...config, imageSize })) return;
  const fits = (side: number) => Number.isInteger(side) && side > 0 && side % config.patchSize === 0;
  if (imageSize.every(fits)) return;
  throw new InputError(`${config.name} cannot take images of this size.`, {
    where: 'imageSize',
    expected: `multiples of the patch size ${config.patchSize}`,
    received: imageSize.join('×'),
    fix: `Use for example ${config.imageSize.join('×')}.`,
  });
}

/**
 * Whether the images that a checkpoint's own files ask for hold a patch.
 * @param where the file that states the size, for messages
 * @throws CheckpointError when they are smaller than one
 */
export function checkHoldsPatch(config: VitConfig, imageSize: Size, where: string): void {
  if (imageSize.every((side) => side >= config.patchSize)) return;
  throw new CheckpointError('The images are smaller than one patch of the model.', {
    where,
    expected: `at least ${config.patchSize}×${config.patchSize} pixels`,
    received: imageSize.join('×'),
    fix: 'Use the configuration that belongs to these weights.',
  });
}

/** The weights with the position embedding interpolated from the grid of one model to that of another. */
export function adaptPositions(
  tensors: ReadonlyMap<string, HostTensor>,
  from: VitConfig,
  to: VitConfig,
): ReadonlyMap<string, HostTensor> {
  if (sameSize(from, to)) return tensors;
  const grids = [vitTokens(from).grid, vitTokens(to).grid] as const;
  const prefix = positionedPrefix(from);
  const positions = interpolatePositionEmbedding(tensors.get('pos_embed')!, ...grids, prefix);
  return new Map([...tensors, ['pos_embed', positions]]);
}

/** The digest that stands for the weights at another image size. */
export function adaptedFingerprint(sha256: string, from: VitConfig, to: VitConfig): string {
  if (sameSize(from, to)) return sha256;
  return createHash('sha256')
    .update(`${sha256} ${to.imageSize.join('x')}`)
    .digest('hex');
}

/** What a reader of results must know of the change. */
export function adaptNotes(from: VitConfig, to: VitConfig): string[] {
  if (sameSize(from, to)) return [];
  const grid = (config: VitConfig) => vitTokens(config).grid.join('×');
  return [`position embedding interpolated from ${grid(from)} to ${grid(to)} patches`];
}
