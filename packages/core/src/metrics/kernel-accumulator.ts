import { CrossProducts, type LayerPair } from './cross-products.js';
import { columnMeans, gramSums } from './gram-sums.js';
import type { KernelSums } from './hsic.js';

const SMALLEST_BLOCK = 64;

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

  constructor(
    readonly widths: readonly number[],
    readonly pairs: readonly LayerPair[],
  ) {
    this.#rows = widths.map(() => new Float32Array(0));
    this.#block = Math.max(SMALLEST_BLOCK, gramCrossover(widths, pairs));
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
    if (this.#folded === undefined) return gramSums(this.#rows, this.widths, this.#kept);
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
    }
    this.#folded.add(this.#rows, this.#kept);
    this.#kept = 0;
    this.#block = SMALLEST_BLOCK;
    if (this.#capacity > this.#block) {
      this.#capacity = 0;
      this.#rows.fill(new Float32Array(0));
    }
  }
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
