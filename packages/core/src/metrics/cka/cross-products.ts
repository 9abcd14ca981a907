import { addDotProducts } from './dot-products.js';
import type { KernelSums } from './hsic.js';

/** A pair of layer indices (a, b) with a ≤ b. */
export type LayerPair = readonly [a: number, b: number];

/** Rows folded in at once. */
const chunk = 64;

/** The bytes of {@link CrossProducts} of some layers. */
export function crossProductsBytes(widths: readonly number[], pairs: readonly LayerPair[]): number {
  const count = widths.length;
  const products = pairs.reduce((sum, [a, b]) => sum + widths[a]! * widths[b]!, 0);
  const perFeature = widths.reduce((sum, width) => sum + width, 0) * (2 + count + chunk);
  return Float64Array.BYTES_PER_ELEMENT * (products + perFeature + count * (count + 1 + chunk));
}

/**
 * The kernel sums of layers in feature space: XᵀY per pair of layers and a few vectors, whose size
 * does not depend on the number of examples.
 */
export class CrossProducts implements KernelSums {
  n = 0;
  /** XᵀY [width_a, width_b], by `pairKey`. */
  readonly #products = new Map<number, Float64Array>();
  /** Per layer Σx [width]. */
  readonly #sums: Float64Array[];
  /** Per layer Σ x_i·|y_i|² [width, layers], one column for each layer y. */
  readonly #weighted: Float64Array[];
  /** Σ |x_i|²·|y_i|² [layers, layers]. */
  readonly #normProducts: Float64Array;
  readonly #traces: Float64Array;
  readonly #norms: Float64Array;
  readonly #transposed: Float64Array[];

  /**
   * @param pairs the pairs that will be asked for.
   * @param shifts per layer a vector near its mean. CKA does not depend on it, but the squares of a
   *   large common offset would swamp the differences.
   */
  constructor(
    readonly widths: readonly number[],
    readonly pairs: readonly LayerPair[],
    readonly shifts: readonly Float64Array[],
  ) {
    const count = widths.length;
    for (const [a, b] of pairs) {
      this.#products.set(this.#pairKey(a, b), new Float64Array(widths[a]! * widths[b]!));
    }
    this.#sums = widths.map((width) => new Float64Array(width));
    this.#weighted = widths.map((width) => new Float64Array(width * count));
    this.#normProducts = new Float64Array(count * count);
    this.#traces = new Float64Array(count);
    this.#norms = new Float64Array(count * chunk);
    this.#transposed = widths.map((width) => new Float64Array(width * chunk));
  }

  /** Bytes of all that it holds, whatever is added. */
  get bytes(): number {
    const arrays = [
      ...this.#products.values(),
      ...this.#sums,
      ...this.#weighted,
      ...this.#transposed,
      ...this.shifts,
      this.#normProducts,
      this.#traces,
      this.#norms,
    ];
    return arrays.reduce((sum, { byteLength }) => sum + byteLength, 0);
  }

  /** @param layers per layer its rows [n, width], more after them allowed. */
  add(layers: readonly Float32Array[], n: number): void {
    for (let start = 0; start < n; start += chunk) this.#addChunk(layers, start, Math.min(n, start + chunk));
    this.n += n;
  }

  layer(a: number): { total: number; trace: number } {
    return { total: this.#sums[a]!.reduce((sum, x) => sum + x * x, 0), trace: this.#traces[a]! };
  }

  pair(first: number, second: number) {
    const [a, b] = first <= second ? [first, second] : [second, first];
    const product = this.#products.get(this.#pairKey(a, b))!;
    const sumA = this.#sums[a]!;
    const sumB = this.#sums[b]!;
    let frobenius = 0;
    let rowProduct = 0;
    for (let i = 0; i < sumA.length; i++) {
      let row = 0;
      for (let j = 0; j < sumB.length; j++) {
        const x = product[i * sumB.length + j]!;
        frobenius += x * x;
        row += x * sumB[j]!;
      }
      rowProduct += sumA[i]! * row;
    }
    return {
      frobenius,
      rowProduct,
      rowDiagonal: this.#sumTimesWeighted(a, b) + this.#sumTimesWeighted(b, a),
      diagonalProduct: this.#normProducts[a * this.widths.length + b]!,
    };
  }

  /** Σx · Σ x_i·|y_i|². */
  #sumTimesWeighted(x: number, y: number): number {
    const weighted = this.#weighted[x]!;
    return this.#sums[x]!.reduce((total, sum, d) => total + sum * weighted[d * this.widths.length + y]!, 0);
  }

  #addChunk(layers: readonly Float32Array[], start: number, end: number): void {
    const count = this.widths.length;
    for (let l = 0; l < count; l++) this.#transpose(layers[l]!, l, start, end);
    for (let l = 0; l < count; l++) {
      const [a, c] = [this.#transposed[l]!, this.#weighted[l]!];
      addDotProducts({ a, b: this.#norms, c, m: this.widths[l]!, n: count, k: chunk });
    }
    addDotProducts({ a: this.#norms, b: this.#norms, c: this.#normProducts, m: count, n: count, k: chunk });
    for (const [a, b] of this.pairs) {
      addDotProducts({
        a: this.#transposed[a]!,
        b: this.#transposed[b]!,
        c: this.#products.get(this.#pairKey(a, b))!,
        m: this.widths[a]!,
        n: this.widths[b]!,
        k: chunk,
      });
    }
  }

  /** Shifts and transposes rows into [width, chunk], zero beyond `end`, and takes their norms. */
  #transpose(rows: Float32Array, l: number, start: number, end: number): void {
    const width = this.widths[l]!;
    const shift = this.shifts[l]!;
    const out = this.#transposed[l]!;
    out.fill(0);
    this.#norms.fill(0, l * chunk, (l + 1) * chunk);
    for (let i = start; i < end; i++) {
      let norm = 0;
      for (let d = 0; d < width; d++) {
        const x = rows[i * width + d]! - shift[d]!;
        out[d * chunk + i - start] = x;
        this.#sums[l]![d]! += x;
        norm += x * x;
      }
      this.#norms[l * chunk + i - start] = norm;
      this.#traces[l]! += norm;
    }
  }

  #pairKey(a: number, b: number): number {
    return a * this.widths.length + b;
  }
}
