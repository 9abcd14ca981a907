import { type Augmentation, randomStream } from '@kora-bench/core';

const LARGEST_SHIFT = 1 / 8;

/** Where each output pixel of one image is read. */
export interface SourceMap {
  /** Input row of each output row, `[H]`. */
  readonly rows: Int32Array;
  /** Input column of each output column, `[W]`. */
  readonly columns: Int32Array;
}

/** The augmentation of example `index` in `epoch`: a pure function of its arguments. */
export function augmentationMap(
  augmentation: Augmentation,
  [height, width]: readonly [height: number, width: number],
  { seed, epoch, index }: { readonly seed: number; readonly epoch: number; readonly index: number },
): SourceMap {
  if (augmentation === 'none') return { rows: shifted(height, 0), columns: shifted(width, 0) };
  const random = randomStream(seed, `augmentation/epoch ${epoch}/example ${index}`);
  const flip = random.uniformInt(2) === 1;
  const crop = augmentation === 'crop-flip';
  const shift = (size: number): number => {
    const largest = crop ? Math.floor(size * LARGEST_SHIFT) : 0;
    return random.uniformInt(2 * largest + 1) - largest;
  };
  const rows = shifted(height, shift(height));
  const columns = shifted(width, shift(width));
  return { rows, columns: flip ? columns.reverse() : columns };
}

function shifted(size: number, by: number): Int32Array {
  return Int32Array.from({ length: size }, (_, i) => reflect(i + by, size));
}

/** Reflection about the border pixels, which are not repeated (NumPy's pad mode `reflect`). */
function reflect(position: number, size: number): number {
  if (position < 0) return -position;
  if (position >= size) return 2 * (size - 1) - position;
  return position;
}
