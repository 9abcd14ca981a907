import { ShapeError } from '../errors/kora-error.js';
import type { HostTensor } from '../tensor/host-tensor.js';

/**
 * Resamples a learned position embedding to another grid of patches, as timm's
 * `resample_abs_pos_embed` does: antialiased bicubic interpolation (a = −0.5, pixel centres aligned),
 * the positions of tokens before the patches kept.
 * @param embedding `[1, prefix + rows·columns, D]`
 * @param prefix how many tokens before the patches have a position
 * @returns `[1, prefix + newRows·newColumns, D]`
 */
export function interpolatePositionEmbedding(
  embedding: HostTensor,
  from: readonly [rows: number, columns: number],
  to: readonly [rows: number, columns: number],
  prefix = 1,
): HostTensor {
  const [, tokens, width] = embedding.shape;
  if (embedding.shape.length !== 3 || tokens !== prefix + from[0] * from[1] || width === undefined) {
    throw new ShapeError('The position embedding does not fit its grid.', {
      expected: `[1, ${prefix + from[0] * from[1]}, D]`,
      received: `[${embedding.shape.join(', ')}]`,
      where: 'pos_embed',
    });
  }
  if (from[0] === to[0] && from[1] === to[1]) return embedding;
  const rowWeights = cubicWeights(from[0], to[0]);
  const columnWeights = cubicWeights(from[1], to[1]);
  const data = new Float32Array((prefix + to[0] * to[1]) * width);
  data.set(embedding.data.subarray(0, prefix * width));
  rowWeights.forEach((rowTaps, row) => {
    columnWeights.forEach((columnTaps, column) => {
      const target = (prefix + row * to[1] + column) * width;
      for (const [i, rowWeight] of rowTaps) {
        for (const [j, columnWeight] of columnTaps) {
          const source = (prefix + i * from[1] + j) * width;
          for (let d = 0; d < width; d++)
            data[target + d]! += rowWeight * columnWeight * embedding.data[source + d]!;
        }
      }
    });
  });
  return { dtype: 'f32', shape: [1, prefix + to[0] * to[1], width], data };
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
