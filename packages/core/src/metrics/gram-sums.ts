import { addDotProducts } from './dot-products.js';
import type { KernelSums } from './hsic.js';

/** Rows per tile: the tiles of 24 layers fill less than a megabyte. */
const TILE = 64;

/**
 * The kernel sums of layers held as rows, by way of their n × n Gram matrices, of which only one
 * tile per layer exists at a time. Cheaper than cross products for n up to about (layers × width).
 *
 * @param layers per layer its rows [n, width], more after them allowed.
 * @param widths per layer.
 */
export function gramSums(layers: readonly Float32Array[], widths: readonly number[], n: number): KernelSums {
  const count = layers.length;
  const means = layers.map((rows, l) => columnMeans(rows, widths[l]!, n));
  const perRow = layers.map((rows, l) => rowTerms(rows, means[l]!, widths[l]!, n));
  const frobenius = new Float64Array(count * count);
  const tiles = new Float64Array(count * TILE * TILE);
  const left = widths.map((width) => new Float64Array(TILE * width));
  const right = widths.map((width) => new Float64Array(TILE * width));
  const products = new Float64Array(count * count);
  for (let i = 0; i < n; i += TILE) {
    for (let l = 0; l < count; l++) centreRows(layers[l]!, means[l]!, widths[l]!, i, n, left[l]!);
    for (let j = i; j < n; j += TILE) {
      tiles.fill(0);
      for (let l = 0; l < count; l++) {
        centreRows(layers[l]!, means[l]!, widths[l]!, j, n, right[l]!);
        const tile = tiles.subarray(l * TILE * TILE, (l + 1) * TILE * TILE);
        addDotProducts(left[l]!, right[l]!, tile, TILE, TILE, widths[l]!);
      }
      products.fill(0);
      addDotProducts(tiles, tiles, products, count, count, TILE * TILE);
      // A Gram matrix is symmetric: a tile off the diagonal stands for its mirror image too.
      const weight = i === j ? 1 : 2;
      for (let at = 0; at < products.length; at++) frobenius[at]! += weight * products[at]!;
    }
  }
  return {
    n,
    layer: (a) => ({ total: perRow[a]!.total, trace: sumOf(perRow[a]!.norms) }),
    pair: (a, b) => ({
      frobenius: frobenius[a * count + b]!,
      rowProduct: dot(perRow[a]!.rowSums, perRow[b]!.rowSums),
      rowDiagonal: dot(perRow[a]!.rowSums, perRow[b]!.norms) + dot(perRow[a]!.norms, perRow[b]!.rowSums),
      diagonalProduct: dot(perRow[a]!.norms, perRow[b]!.norms),
    }),
  };
}

/** The mean of each column of the first n rows of `rows` [≥ n, width]. */
export function columnMeans(rows: Float32Array, width: number, n: number): Float64Array {
  const means = new Float64Array(width);
  for (let i = 0; i < n; i++) for (let d = 0; d < width; d++) means[d]! += rows[i * width + d]!;
  for (let d = 0; d < width; d++) means[d]! /= n;
  return means;
}

/** Rows from `start` on, centred, into `out` [TILE, width]; rows beyond n become 0. */
function centreRows(
  rows: Float32Array,
  means: Float64Array,
  width: number,
  start: number,
  n: number,
  out: Float64Array,
): void {
  const filled = Math.min(TILE, n - start);
  for (let i = 0; i < filled; i++) {
    for (let d = 0; d < width; d++) out[i * width + d] = rows[(start + i) * width + d]! - means[d]!;
  }
  out.fill(0, filled * width);
}

interface RowTerms {
  /** |x_i|². */
  readonly norms: Float64Array;
  /** x_i·Σx. */
  readonly rowSums: Float64Array;
  /** |Σx|². */
  readonly total: number;
}

function rowTerms(rows: Float32Array, means: Float64Array, width: number, n: number): RowTerms {
  const sum = new Float64Array(width);
  for (let i = 0; i < n; i++) {
    for (let d = 0; d < width; d++) sum[d]! += rows[i * width + d]! - means[d]!;
  }
  const norms = new Float64Array(n);
  const rowSums = new Float64Array(n);
  for (let i = 0; i < n; i++) {
    for (let d = 0; d < width; d++) {
      const x = rows[i * width + d]! - means[d]!;
      norms[i]! += x * x;
      rowSums[i]! += x * sum[d]!;
    }
  }
  return { norms, rowSums, total: dot(sum, sum) };
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}

function sumOf(values: Float64Array): number {
  return values.reduce((sum, value) => sum + value, 0);
}
