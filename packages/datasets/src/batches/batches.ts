import {
  type ImageSplit,
  kindsOf,
  type PixelBatch,
  type PixelReader,
  type Preprocessing,
  type TargetKind,
  targetKinds,
  targetShape,
} from '@kora-bench/core/data';
import { InputError } from '@kora-bench/core/errors';
import type { HostTensor } from '@kora-bench/core/graph';
import { type Augmentation, augmentations } from '@kora-bench/core/training';
import { prefetch } from '../content/concurrency.js';
import { checkGeometry } from '../preprocess/pixel-geometry.js';
import {
  augmentationMap,
  movePixels,
  normalisationTable,
  normaliseImage,
  type SourceMap,
} from './augmentation.js';

/** Prepared batches that may wait while the consumer works on one. */
const prefetchDepth = 2;
/** Those and the consumer's. */
const inUse = prefetchDepth + 1;

export interface Batch {
  /** Normalised images `[B, 3, H, W]`. Their memory is used again once the next batch is asked for. */
  readonly images: Float32Array;
  /** What the split has, by kind: labels `[B]`, values `[B, n]`, masks and depth `[B, H, W]`. */
  readonly targets: BatchTargets;
  /** Place of each example in the split, `[B]`. */
  readonly indices: Int32Array;
}

export type BatchTargets = Readonly<Partial<Record<TargetKind, HostTensor>>>;

export interface BatchOptions {
  /** Examples per batch, B; the last batch may have fewer. */
  readonly batchSize: number;
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
  options: BatchOptions,
): AsyncGenerator<Batch, void, undefined> {
  const { batchSize, preprocessing, augmentation = 'none', seed = 0, epoch = 0, dropLast = false } = options;
  checkArguments(split, order, batchSize, { augmentation, dropLast });
  checkGeometry(preprocessing);
  checkNormalisation(preprocessing);
  const [height, width] = preprocessing.imageSize;
  const plane = height * width;
  const table = normalisationTable(preprocessing);
  const count = dropLast ? Math.floor(order.length / batchSize) : Math.ceil(order.length / batchSize);
  // To get memory this large anew for every batch keeps the system and the garbage collector busy.
  const images: Float32Array[] = [];

  return prefetch(count, prefetchDepth, async (number): Promise<Batch> => {
    const start = number * batchSize;
    const size = Math.min(batchSize, order.length - start);
    const indices = Int32Array.from({ length: size }, (_, i) => order[start + i]!);
    const read = await reader.read([...indices]);
    checkPixels(read.pixels, size, preprocessing);
    const place = number % inUse;
    images[place] ??= new Float32Array(batchSize * 3 * plane);
    const batch = images[place].subarray(0, size * 3 * plane);
    const maps: SourceMap[] = [];
    for (let i = 0; i < size; i++) {
      const map = augmentationMap(augmentation, [height, width], { seed, epoch, index: indices[i]! });
      const image = read.pixels.subarray(i * 3 * plane, (i + 1) * 3 * plane);
      normaliseImage(image, table, map, batch.subarray(i * 3 * plane, (i + 1) * 3 * plane));
      maps.push(map);
    }
    const targets = {
      ...imageTargets(split, indices, size),
      ...pixelTargets(split, read, maps, preprocessing.imageSize),
    };
    return { images: batch, indices, targets };
  });
}

/**
 * The targets that a split knows without its pixels, labels `[B]` and values `[B, n]`; a batch that is not
 * full repeats its last example.
 */
export function imageTargets(split: ImageSplit, indices: ArrayLike<number>, batchSize: number): BatchTargets {
  const { label, value } = split.targets;
  const at = (i: number) => indices[Math.min(i, indices.length - 1)]!;
  const targets: Partial<Record<TargetKind, HostTensor>> = {};
  if (label !== undefined) {
    const data = Int32Array.from({ length: batchSize }, (_, i) => label.labels[at(i)]!);
    targets.label = { dtype: 'i32', shape: [batchSize], data };
  }
  if (value !== undefined) {
    const n = value.names.length;
    const data = new Float32Array(batchSize * n);
    for (let i = 0; i < batchSize; i++) data.set(value.values.subarray(at(i) * n, (at(i) + 1) * n), i * n);
    targets.value = { dtype: 'f32', shape: [batchSize, n], data };
  }
  return targets;
}

/** The targets per pixel of a batch, moved as its images are. */
function pixelTargets(
  split: ImageSplit,
  read: PixelBatch,
  maps: readonly SourceMap[],
  imageSize: readonly [number, number],
): BatchTargets {
  const plane = imageSize[0] * imageSize[1];
  const targets: Partial<Record<TargetKind, HostTensor>> = {};
  for (const kind of kindsOf(split.targets)) {
    if (kind !== 'mask' && kind !== 'depth') continue;
    const stored = read[kind];
    if (stored?.length !== maps.length * plane) {
      throw new InputError(`The ${kind} of the images is missing.`, {
        where: `${split.dataset}, ${split.split}`,
        expected: `[${maps.length}, ${imageSize.join(', ')}] values, as the split’s targets say`,
        received: stored === undefined ? 'none' : `${stored.length} values`,
        fix: 'Correct the data set’s reader.',
      });
    }
    const { dtype } = targetKinds[kind];
    const data = kind === 'mask' ? new Int32Array(stored.length) : new Float32Array(stored.length);
    for (const [i, map] of maps.entries())
      movePixels(stored.subarray(i * plane, (i + 1) * plane), map, data.subarray(i * plane, (i + 1) * plane));
    targets[kind] = { dtype, shape: targetShape(kind, split.targets[kind]!, maps.length, imageSize), data };
  }
  return targets;
}

function checkArguments(
  split: ImageSplit,
  order: ArrayLike<number>,
  batchSize: number,
  { augmentation, dropLast }: { readonly augmentation: Augmentation; readonly dropLast: boolean },
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
  if (!augmentations.includes(augmentation)) {
    throw new InputError('The augmentation is not known.', {
      where: 'augmentation',
      expected: augmentations.join(', '),
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
