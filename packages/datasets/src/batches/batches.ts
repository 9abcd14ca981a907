import { type ImageSplit, InputError, type PixelReader, type Preprocessing } from '@kora-bench/core';
import { checkGeometry } from '../preprocess/eval-geometry.js';
import { AUGMENTATIONS, type Augmentation, augmentationMap } from './augmentation.js';
import { moveDepth, normalisationTable, normaliseImage } from './normalise.js';
import { prefetch } from './prefetch.js';

/** Prepared batches that may wait while the consumer works on one. */
const PREFETCH_DEPTH = 2;

export interface Batch {
  /** Normalised images `[B, 3, H, W]`. */
  readonly images: Float32Array;
  /** True labels `[B]`; empty for depth. */
  readonly labels: Int32Array;
  /** Depth in metres `[B, H, W]`, 0 where not measured; only for depth tasks. */
  readonly depth?: Float32Array;
  /** Place of each example in the split, `[B]`. */
  readonly indices: Int32Array;
}

export interface BatchOptions {
  /** As the reader was opened; mean and std may differ, since they are applied here. */
  readonly preprocessing: Preprocessing;
  /** Default `none`. */
  readonly augmentation?: Augmentation;
  /** Of the augmentation, with `epoch`; default 0. */
  readonly seed?: number;
  /** Default 0. */
  readonly epoch?: number;
  /** Leaves out a last batch of fewer than `batchSize` examples; default false. */
  readonly dropLast?: boolean;
}

/**
 * Batches of the examples `order` of a split, in that order; the next ones are prepared while the
 * consumer works on one. A batch is a pure function of the split, `order`, seed and epoch. Stopping
 * early (`break`) is allowed; close `reader` afterwards.
 *
 * @param order places in the split, e.g. a permutation; repeats are allowed.
 * @throws InputError at the call when an argument is not valid; FormatError while iterating when an
 *   image is damaged.
 */
export function batches(
  split: ImageSplit,
  reader: PixelReader,
  order: ArrayLike<number>,
  batchSize: number,
  options: BatchOptions,
): AsyncGenerator<Batch, void, undefined> {
  const { preprocessing, augmentation = 'none', seed = 0, epoch = 0, dropLast = false } = options;
  checkArguments(split, order, batchSize, augmentation, dropLast);
  checkGeometry(preprocessing);
  checkNormalisation(preprocessing);
  const [height, width] = preprocessing.imageSize;
  const plane = height * width;
  const table = normalisationTable(preprocessing);
  const count = dropLast ? Math.floor(order.length / batchSize) : Math.ceil(order.length / batchSize);

  return prefetch(count, PREFETCH_DEPTH, async (number): Promise<Batch> => {
    const start = number * batchSize;
    const size = Math.min(batchSize, order.length - start);
    const indices = Int32Array.from({ length: size }, (_, i) => order[start + i]!);
    const { pixels, depth } = await reader.read([...indices]);
    checkPixels(pixels, size, preprocessing);
    const images = new Float32Array(size * 3 * plane);
    const movedDepth = depth === undefined ? undefined : new Float32Array(size * plane);
    for (let i = 0; i < size; i++) {
      const map = augmentationMap(augmentation, height, width, seed, epoch, indices[i]!);
      const image = pixels.subarray(i * 3 * plane, (i + 1) * 3 * plane);
      normaliseImage(image, table, map, images.subarray(i * 3 * plane, (i + 1) * 3 * plane));
      if (depth !== undefined && movedDepth !== undefined) {
        const part = depth.subarray(i * plane, (i + 1) * plane);
        moveDepth(part, map, movedDepth.subarray(i * plane, (i + 1) * plane));
      }
    }
    const labels =
      split.task === 'classification' ? indices.map((index) => split.labels[index]!) : new Int32Array(0);
    return { images, labels, indices, ...(movedDepth === undefined ? {} : { depth: movedDepth }) };
  });
}

function checkArguments(
  split: ImageSplit,
  order: ArrayLike<number>,
  batchSize: number,
  augmentation: Augmentation,
  dropLast: boolean,
): void {
  if (!Number.isInteger(batchSize) || batchSize < 1) {
    throw new InputError('The batch size is not valid.', {
      where: 'batchSize',
      expected: 'an integer of at least 1',
      received: String(batchSize),
      fix: 'Choose a batch size such as 16 or 32.',
    });
  }
  if (dropLast && batchSize > order.length) {
    throw new InputError('The batch is larger than the data.', {
      where: 'batchSize',
      expected: `at most ${order.length}, the number of examples`,
      received: String(batchSize),
      fix: 'Choose a smaller batch size or more examples.',
    });
  }
  if (!AUGMENTATIONS.includes(augmentation)) {
    throw new InputError('The augmentation is not known.', {
      where: 'augmentation',
      expected: AUGMENTATIONS.join(', '),
      received: String(augmentation),
      fix: 'Choose one of these.',
    });
  }
  for (let i = 0; i < order.length; i++) {
    const index = order[i]!;
    if (Number.isInteger(index) && index >= 0 && index < split.length) continue;
    throw new InputError('The order of examples is not valid.', {
      where: `order[${i}]`,
      expected: `an integer from 0 to ${split.length - 1}`,
      received: String(index),
      fix: 'Take indices below the length of the split.',
    });
  }
}

function checkNormalisation({ mean, std }: Preprocessing): void {
  if ([...mean, ...std].every(Number.isFinite) && std.every((value) => value > 0)) return;
  throw new InputError('The normalisation is not valid.', {
    where: 'preprocessing.mean, preprocessing.std',
    expected: 'three finite means, and three finite standard deviations above 0',
    received: JSON.stringify({ mean, std }),
    fix: 'Take mean and std from the checkpoint.',
  });
}

function checkPixels(pixels: Uint8Array, size: number, { imageSize: [height, width] }: Preprocessing): void {
  if (pixels.length === size * height * width * 3) return;
  throw new InputError('The pixels are not of the image size asked for.', {
    where: 'preprocessing.imageSize',
    expected: `[${size}, ${height}, ${width}, 3]`,
    received: `${pixels.length} bytes`,
    fix: 'Open the reader with the same preprocessing.',
  });
}
