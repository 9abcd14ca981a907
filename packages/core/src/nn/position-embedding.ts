import { ShapeError } from '../errors/kora-error.js';
import type { HostTensor } from '../tensor/host-tensor.js';

/**
 * Resamples a learned position embedding to another grid of patches, as timm's
 * `resample_abs_pos_embed` does: antialiased bicubic interpolation (a = −0.5, pixel centres aligned),
 * the class token's position kept.
 * @param embedding `[1, rows·columns + 1, D]`
 * @returns `[1, newRows·newColumns + 1, D]`
 */
export function interpolatePositionEmbedding(
  embedding: HostTensor,
  from: readonly [rows: number, columns: number],
  to: readonly [rows: number, columns: number],
): HostTensor {
  const [, tokens, width] = embedding.shape;
  if (embedding.shape.length !== 3 || tokens !== from[0] * from[1] + 1 || width === undefined) {
    throw new ShapeError('The position embedding does not fit its grid.', {
      expected: `[1, ${from[0] * from[1] + 1}, D]`,
      received: `[${embedding.shape.join(', ')}]`,
      where: 'pos_embed',
    });
  }
  if (from[0] === to[0] && from[1] === to[1]) return embedding;
  const rowWeights = cubicWeights(from[0], to[0]);
  const columnWeights = cubicWeights(from[1], to[1]);
  const data = new Float32Array((to[0] * to[1] + 1) * width);
  data.set(embedding.data.subarray(0, width));
  rowWeights.forEach((rowTaps, row) => {
    columnWeights.forEach((columnTaps, column) => {
      const target = (1 + row * to[1] + column) * width;
      for (const [i, rowWeight] of rowTaps) {
        for (const [j, columnWeight] of columnTaps) {
          const source = (1 + i * from[1] + j) * width;
          for (let d = 0; d < width; d++)
            data[target + d]! += rowWeight * columnWeight * embedding.data[source + d]!;
        }
      }
    });
  });
  return { dtype: 'f32', shape: [1, to[0] * to[1] + 1, width], data };
}

/** For each output position, the input positions that it reads and their weights, which sum to 1. */
function cubicWeights(from: number, to: number): [index: number, weight: number][][] {
  const scale = from / to;
  const stretch = Math.max(scale, 1);
  return Array.from({ length: to }, (_, position) => {
    const centre = (position + 0.5) * scale;
    const first = Math.max(0, Math.floor(centre - 2 * stretch + 0.5));
    const last = Math.min(from, Math.floor(centre + 2 * stretch + 0.5));
    const taps: [number, number][] = [];
    for (let i = first; i < last; i++) taps.push([i, cubic((i + 0.5 - centre) / stretch)]);
    const total = taps.reduce((sum, [, weight]) => sum + weight, 0);
    return taps.map(([i, weight]) => [i, weight / total]);
  });
}

/** Keys' cubic convolution kernel with a = −0.5 (Keys 1981). */
function cubic(x: number): number {
  const t = Math.abs(x);
  if (t < 1) return (1.5 * t - 2.5) * t * t + 1;
  if (t < 2) return ((-0.5 * t + 2.5) * t - 4) * t + 2;
  return 0;
}
