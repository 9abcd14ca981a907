import type { Preprocessing } from '@kora-bench/core/data';
import { randomStream } from '@kora-bench/core/random';
import type { Augmentation } from '@kora-bench/core/training';

const largestShift = 1 / 8;

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
    const largest = crop ? Math.floor(size * largestShift) : 0;
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

/** The normalised value of each byte of each channel, `[3, 256]`: (byte / 255 − mean) / std. */
export function normalisationTable({ mean, std }: Pick<Preprocessing, 'mean' | 'std'>): Float32Array {
  const table = new Float32Array(3 * 256);
  for (let channel = 0; channel < 3; channel++) {
    for (let byte = 0; byte < 256; byte++) {
      table[channel * 256 + byte] = (byte / 255 - mean[channel]!) / std[channel]!;
    }
  }
  return table;
}

/** Writes one image, bytes `[H, W, 3]`, normalised into `target` `[3, H, W]`. */
export function normaliseImage(
  pixels: Uint8Array,
  table: Float32Array,
  { rows, columns }: SourceMap,
  target: Float32Array,
): void {
  const width = columns.length;
  const plane = rows.length * width;
  for (let y = 0; y < rows.length; y++) {
    const row = rows[y]! * width;
    const out = y * width;
    for (let x = 0; x < width; x++) {
      const source = (row + columns[x]!) * 3;
      target[out + x] = table[pixels[source]!]!;
      target[plane + out + x] = table[256 + pixels[source + 1]!]!;
      target[2 * plane + out + x] = table[512 + pixels[source + 2]!]!;
    }
  }
}

/** Writes one map of values per pixel `[H, W]` into `target`, moved as its image is. */
export function movePixels<T extends Float32Array | Int32Array>(
  values: T,
  { rows, columns }: SourceMap,
  target: T,
): void {
  const width = columns.length;
  for (let y = 0; y < rows.length; y++) {
    const row = rows[y]! * width;
    for (let x = 0; x < width; x++) target[y * width + x] = values[row + columns[x]!]!;
  }
}
