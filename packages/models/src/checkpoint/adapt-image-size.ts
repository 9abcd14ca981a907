import { createHash } from 'node:crypto';
import { InputError } from '@kora-bench/core/errors';
import type { Checkpoint, VitConfig } from '@kora-bench/core/nn';
import { interpolatePositionEmbedding, vitTokens } from '@kora-bench/core/nn';

/** A Vision Transformer with its weights, still open to change. */
export interface VitCheckpoint extends Omit<Checkpoint, 'model'> {
  readonly config: VitConfig;
}

/**
 * The checkpoint for images of another size: its position embedding interpolated to the new grid of
 * patches, its preprocessing and fingerprint those of the new size. The same size gives it back unchanged.
 * @param imageSize height and width in pixels
 * @throws InputError when a side is not a multiple of the patch size
 */
export function adaptImageSize(
  checkpoint: VitCheckpoint,
  imageSize: readonly [height: number, width: number],
): VitCheckpoint {
  const { config, preprocessing, tensors, fingerprint, notes } = checkpoint;
  const [height, width] = imageSize;
  if (height === config.imageSize[0] && width === config.imageSize[1]) return checkpoint;
  const fits = (side: number) => Number.isInteger(side) && side > 0 && side % config.patchSize === 0;
  if (!fits(height) || !fits(width)) {
    throw new InputError(`${config.name} cannot take images of this size.`, {
      where: 'imageSize',
      expected: `multiples of the patch size ${config.patchSize}`,
      received: imageSize.join('×'),
      fix: `Use for example ${config.imageSize.join('×')}.`,
    });
  }
  const resized = { ...config, imageSize };
  const from = vitTokens(config).grid;
  const to = vitTokens(resized).grid;
  const positions = interpolatePositionEmbedding(tensors.get('pos_embed')!, from, to);
  return {
    config: resized,
    preprocessing: { ...preprocessing, imageSize },
    tensors: new Map([...tensors, ['pos_embed', positions]]),
    fingerprint: createHash('sha256')
      .update(`${fingerprint} ${imageSize.join('x')}`)
      .digest('hex'),
    notes: [...notes, `position embedding interpolated from ${from.join('×')} to ${to.join('×')} patches`],
  };
}
