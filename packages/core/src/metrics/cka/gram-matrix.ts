import { addDotProducts } from './dot-products.js';
import type { LayerBatch } from './layer-batch.js';

/** How alike two examples are in a layer, from their features x and y. */
export type CkaKernel =
  | { readonly kind: 'linear' }
  /** exp(−|x − y|² / 2σ²), where σ is `bandwidth` times the median distance between the examples of a batch. */
  | { readonly kind: 'rbf'; readonly bandwidth: number };

/** Features that are multiplied at once. */
const chunk = 1024;
/** Rows of the matrix that are computed at once. */
const rowsPerTile = 32;

/** The bytes of the working arrays of {@link fillGramMatrix}, with n examples. */
export function gramMatrixBytes(n: number): number {
  return Float64Array.BYTES_PER_ELEMENT * ((n + 1) * chunk + rowsPerTile * n + (n * (n + 1)) / 2);
}

/**
 * Fills `out` [n, n] with the kernel of every pair of a batch's n examples, but for a constant that HSIC does not depend on.
 * The features are centred first: HSIC does not depend on that either, and a large common offset would swamp differences.
 */
export function fillGramMatrix({ data, shape }: LayerBatch, kernel: CkaKernel, out: Float64Array): void {
  const [n, width] = shape as readonly [number, number];
  const columns = new Float64Array(n * Math.min(chunk, width));
  const tile = new Float64Array(rowsPerTile * n);
  out.fill(0);
  for (let start = 0; start < width; start += chunk) {
    const k = Math.min(chunk, width - start);
    centredColumns({ data, n, width }, start, columns.subarray(0, n * k));
    for (let i = 0; i < n; i += rowsPerTile) {
      const [m, right] = [Math.min(rowsPerTile, n - i), n - i];
      tile.fill(0);
      addDotProducts({
        a: columns.subarray(i * k, (i + m) * k),
        b: columns.subarray(i * k, n * k),
        c: tile,
        m,
        n: right,
        k,
      });
      for (let r = 0; r < m; r++)
        for (let j = 0; j < right; j++) out[(i + r) * n + i + j]! += tile[r * right + j]!;
    }
  }
  if (kernel.kind === 'rbf') fromProductsToRbf(out, n, kernel.bandwidth);
  for (let i = 0; i < n; i++) for (let j = 0; j < i; j++) out[i * n + j] = out[j * n + i]!;
}

/** Columns `start` … of `data` [n, width] without their means, into `out` [n, k]. */
function centredColumns(
  { data, n, width }: { readonly data: Float32Array; readonly n: number; readonly width: number },
  start: number,
  out: Float64Array,
): void {
  const k = out.length / n;
  const means = new Float64Array(k);
  for (let i = 0; i < n; i++) for (let d = 0; d < k; d++) means[d]! += data[i * width + start + d]!;
  for (let d = 0; d < k; d++) means[d]! /= n;
  for (let i = 0; i < n; i++)
    for (let d = 0; d < k; d++) out[i * k + d] = data[i * width + start + d]! - means[d]!;
}

/**
 * From x·y in the upper triangle of `gram` [n, n] to the RBF kernel, its bandwidth as in the notebook that Kornblith et
 * al. 2019 published (google-research/representation_similarity): the median is that of all n² squared distances,
 * those of examples to themselves among them.
 */
function fromProductsToRbf(gram: Float64Array, n: number, bandwidth: number): void {
  const norms = Float64Array.from({ length: n }, (_, i) => gram[i * n + i]!);
  const distances = new Float64Array((n * (n - 1)) / 2);
  let at = 0;
  for (let i = 0; i < n; i++) {
    for (let j = i + 1; j < n; j++) {
      const distance = Math.max(0, norms[i]! + norms[j]! - 2 * gram[i * n + j]!);
      gram[i * n + j] = distance;
      distances[at++] = distance;
    }
  }
  distances.sort();
  const ordered = (place: number) => (place < n ? 0 : distances[(place - n) >> 1]!);
  const last = n * n - 1;
  const median = (ordered(last >> 1) + ordered((last + 1) >> 1)) / 2;
  const scale = 2 * bandwidth ** 2 * median;
  // The kernel less 1: HSIC does not depend on it, and where the bandwidth is large, 1 would swamp the differences.
  for (let i = 0; i < n; i++) {
    gram[i * n + i] = 0;
    for (let j = i + 1; j < n; j++) {
      const distance = gram[i * n + j]!;
      // Where most examples are the same, the bandwidth is 0 and so is the kernel between different ones.
      gram[i * n + j] = distance === 0 ? 0 : Math.expm1(-distance / scale);
    }
  }
}
