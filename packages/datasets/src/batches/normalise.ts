import type { Preprocessing } from '@kora-bench/core';
import type { SourceMap } from './augmentation.js';

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
