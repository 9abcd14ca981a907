import type { LayerPair } from './cross-products.js';
import { CrossProducts, crossProductsBytes } from './cross-products.js';
import { addDotProducts } from './dot-products.js';
import type { KernelSums } from './hsic.js';

const smallestBlock = 64;

/**
 * Kernel sums streamed over examples, exact over all of them: rows are kept while their Gram
 * matrices are the cheaper way, and folded into cross products from then on. The kept rows never
 * take more memory than the cross products would. Rows are always folded in the same blocks,
 * whatever the batches, so that batch size changes no bit of the result.
 */
export class KernelAccumulator {
  readonly #rows: Float32Array[];
  #kept = 0;
  #capacity = 0;
  #block: number;
  #folded: CrossProducts | undefined;
  #peakBytes = 0;

  constructor(
    readonly widths: readonly number[],
    readonly pairs: readonly LayerPair[],
  ) {
    this.#rows = widths.map(() => new Float32Array(0));
    this.#block = firstBlock(widths, pairs);
  }

  /** The most bytes that rows, sums and Gram tiles took at once so far. */
  get peakBytes(): number {
    return this.#peakBytes;
  }

  /** @param layers per layer a batch [batch, width]. */
  add(layers: readonly Float32Array[], batch: number): void {
    for (let from = 0; from < batch; ) {
      const to = Math.min(batch, from + this.#block - this.#kept);
      this.#keep(layers, from, to);
      from = to;
      if (this.#kept === this.#block) this.#fold();
    }
  }

  sums(): KernelSums {
    if (this.#folded === undefined) {
      this.#count(gramSumsBytes(this.widths, this.#kept));
      return gramSums(this.#rows, this.widths, this.#kept);
    }
    this.#fold();
    return this.#folded;
  }

  #keep(layers: readonly Float32Array[], from: number, to: number): void {
    const needed = this.#kept + to - from;
    if (needed > this.#capacity) {
      this.#capacity = Math.min(this.#block, Math.max(needed, 2 * this.#capacity));
      for (let l = 0; l < this.#rows.length; l++) {
        const grown = new Float32Array(this.#capacity * this.widths[l]!);
        grown.set(this.#rows[l]!.subarray(0, this.#kept * this.widths[l]!));
        this.#count(grown.byteLength);
        this.#rows[l] = grown;
      }
    }
    for (let l = 0; l < this.#rows.length; l++) {
      const width = this.widths[l]!;
      this.#rows[l]!.set(layers[l]!.subarray(from * width, to * width), this.#kept * width);
    }
    this.#kept = needed;
  }

  #fold(): void {
    if (this.#kept === 0) return;
    if (this.#folded === undefined) {
      const shifts = this.#rows.map((rows, l) => columnMeans(rows, this.widths[l]!, this.#kept));
      this.#folded = new CrossProducts(this.widths, this.pairs, shifts);
      this.#count();
    }
    this.#folded.add(this.#rows, this.#kept);
    this.#kept = 0;
    this.#block = smallestBlock;
    if (this.#capacity > this.#block) {
      this.#capacity = 0;
      this.#rows.fill(new Float32Array(0));
    }
  }

  /** @param more bytes that are taken for a moment. */
  #count(more = 0): void {
    const rows = this.#rows.reduce((sum, { byteLength }) => sum + byteLength, 0);
    this.#peakBytes = Math.max(this.#peakBytes, rows + (this.#folded?.bytes ?? 0) + more);
  }
}

/** The most bytes that a {@link KernelAccumulator} takes for n examples. */
export function kernelAccumulatorBytes(
  widths: readonly number[],
  pairs: readonly LayerPair[],
  n: number,
): number {
  const block = firstBlock(widths, pairs);
  const perRow = Float32Array.BYTES_PER_ELEMENT * widths.reduce((sum, width) => sum + width, 0);
  // Capacity at most doubles, and one layer at a time is copied into its larger place.
  const copied = Float32Array.BYTES_PER_ELEMENT * Math.max(...widths);
  const rows = Math.min(block, 2 * n) * (perRow + copied);
  return rows + (n < block ? gramSumsBytes(widths, n) : crossProductsBytes(widths, pairs));
}

/** Rows that are kept before the first are folded in. */
function firstBlock(widths: readonly number[], pairs: readonly LayerPair[]): number {
  return Math.max(smallestBlock, gramCrossover(widths, pairs));
}

/**
 * The number of examples n at which n²/2 · (Σ width + layers²) multiplications for the Gram matrices
 * and their products reach the n · Σ width_a·width_b of the cross products.
 */
function gramCrossover(widths: readonly number[], pairs: readonly LayerPair[]): number {
  const perExample = pairs.reduce((sum, [a, b]) => sum + widths[a]! * widths[b]!, 0);
  const perPair = widths.reduce((sum, width) => sum + width, 0) + widths.length ** 2;
  return Math.floor((2 * perExample) / perPair);
}

/** Rows per tile: the tiles of 24 layers fill less than a megabyte. */
const tileExtent = 64;

/**
 * The kernel sums of layers held as rows, by way of their n × n Gram matrices, of which only one
 * tile per layer exists at a time. Cheaper than cross products for n up to about (layers × width).
 *
 * @param layers per layer its rows [n, width], more after them allowed.
 * @param widths per layer.
 */
function gramSums(layers: readonly Float32Array[], widths: readonly number[], n: number): KernelSums {
  const count = layers.length;
  const matrices = layers.map((rows, l): Rows => {
    const width = widths[l]!;
    return { rows, means: columnMeans(rows, width, n), width, n };
  });
  const perRow = matrices.map(rowTerms);
  const frobenius = new Float64Array(count * count);
  const tiles = new Float64Array(count * tileExtent * tileExtent);
  const left = widths.map((width) => new Float64Array(tileExtent * width));
  const right = widths.map((width) => new Float64Array(tileExtent * width));
  const products = new Float64Array(count * count);
  for (let i = 0; i < n; i += tileExtent) {
    for (let l = 0; l < count; l++) centreRows(matrices[l]!, i, left[l]!);
    for (let j = i; j < n; j += tileExtent) {
      tiles.fill(0);
      for (let l = 0; l < count; l++) {
        centreRows(matrices[l]!, j, right[l]!);
        const tile = tiles.subarray(l * tileExtent * tileExtent, (l + 1) * tileExtent * tileExtent);
        addDotProducts({ a: left[l]!, b: right[l]!, c: tile, m: tileExtent, n: tileExtent, k: widths[l]! });
      }
      products.fill(0);
      addDotProducts({ a: tiles, b: tiles, c: products, m: count, n: count, k: tileExtent * tileExtent });
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

/** The bytes of the working arrays of {@link gramSums}. */
function gramSumsBytes(widths: readonly number[], n: number): number {
  const count = widths.length;
  const features = widths.reduce((sum, width) => sum + width, 0);
  const tiles = count * tileExtent * tileExtent + 2 * tileExtent * features;
  return Float64Array.BYTES_PER_ELEMENT * (tiles + 2 * count * (count + n) + features + Math.max(...widths));
}

/** The mean of each column of the first n rows of `rows` [≥ n, width]. */
function columnMeans(rows: Float32Array, width: number, n: number): Float64Array {
  const means = new Float64Array(width);
  for (let i = 0; i < n; i++) for (let d = 0; d < width; d++) means[d]! += rows[i * width + d]!;
  for (let d = 0; d < width; d++) means[d]! /= n;
  return means;
}

/** One layer's examples. */
interface Rows {
  /** [≥ n, width]. */
  readonly rows: Float32Array;
  /** Of the columns of the first n rows. */
  readonly means: Float64Array;
  readonly width: number;
  readonly n: number;
}

/** Rows from `start` on, centred, into `out` [tileExtent, width]; rows beyond n become 0. */
function centreRows({ rows, means, width, n }: Rows, start: number, out: Float64Array): void {
  const filled = Math.min(tileExtent, n - start);
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

function rowTerms({ rows, means, width, n }: Rows): RowTerms {
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
