import { InputError, ShapeError } from '../../errors/kora-error.js';
import type { CkaMatrix } from './alignment.js';
import { alignment } from './alignment.js';
import { addDotProducts } from './dot-products.js';
import type { CkaKernel } from './gram-matrix.js';
import { fillGramMatrix, gramMatrixBytes } from './gram-matrix.js';
import { biasedHsic, type KernelSums, unbiasedHsic } from './hsic.js';
import type { LayerBatch } from './layer-batch.js';
import { checkLayer } from './layer-batch.js';

export interface MinibatchCkaResult {
  readonly layers: readonly string[];
  /** Examples seen. */
  readonly n: number;
  readonly batches: number;
  /** From the biased HSIC of each batch: tends to 1 for small batches of many features. */
  readonly biased: CkaMatrix;
  /** From the unbiased HSIC of each batch, whose expectation does not depend on the size of batches. */
  readonly debiased: CkaMatrix;
}

export interface MinibatchCkaSpec {
  /** One per layer, in the order of `add`. */
  readonly layerNames: readonly string[];
  readonly kernel: CkaKernel;
  /** The most examples of a batch, at least 4. */
  readonly batchSize: number;
}

/** The fewest examples that the unbiased HSIC is defined for. */
const fewestExamples = 4;

/**
 * Centred kernel alignment between all layers of a model from minibatches: HSIC is averaged over batches, weighed by
 * their examples, before its ratio is taken. Needs only one matrix [batch, batch] per layer, whatever features there are.
 * With one batch it is the estimate of Kornblith et al. 2019 over its examples.
 * Source: Nguyen, Raghu and Kornblith, "Do wide and deep networks learn the same things?" (ICLR 2021), eq. 2 and 3.
 * Batches must be random: one that holds a single class tells nothing of what tells classes apart.
 */
export class MinibatchCka {
  readonly #spec: MinibatchCkaSpec;
  /** [layers, batch, batch]. */
  readonly #grams: Float64Array;
  readonly #products: Float64Array;
  readonly #biased: HsicSums;
  readonly #debiased: HsicSums;
  #next = 0;
  #batch = 0;
  #n = 0;
  #batches = 0;

  /** @throws InputError for no layers or batches of fewer than 4 examples. */
  constructor(spec: MinibatchCkaSpec) {
    const { layerNames, batchSize } = spec;
    const { length } = layerNames;
    if (length === 0 || !Number.isInteger(batchSize) || batchSize < fewestExamples) {
      throw new InputError('CKA needs at least one layer and batches of at least 4 examples.', {
        where: length === 0 ? 'layerNames' : 'batchSize',
        received: length === 0 ? 'no layers' : String(batchSize),
      });
    }
    this.#spec = spec;
    this.#grams = new Float64Array(length * batchSize ** 2);
    this.#products = new Float64Array(length ** 2);
    this.#biased = new HsicSums(length);
    this.#debiased = new HsicSums(length);
  }

  /** Bytes that it takes, without the activations that it is given. */
  static bytesFor(layers: number, batchSize: number): number {
    const doubles =
      layers * batchSize ** 2 + layers ** 2 + 2 * (layers ** 2 + layers) + 2 * layers * batchSize;
    return Float64Array.BYTES_PER_ELEMENT * doubles + gramMatrixBytes(batchSize);
  }

  /**
   * Takes one layer of a batch; the batch counts once its last layer has come. Activations are not needed any more when
   * it returns, so a layer can be made after the one before is gone.
   * @param layer the activations [B, D] of the next layer, from 4 to `batchSize` examples.
   * @throws ShapeError when they are misshapen or not as many as the batch's, TrainingError when a value is not finite.
   */
  add(layer: LayerBatch): void {
    const { layerNames, kernel, batchSize } = this.#spec;
    const [n = 0, width = 0] = layer.shape;
    const name = layerNames[this.#next]!;
    checkLayer(name, layer, this.#next === 0 ? n : this.#batch, width);
    if (n < fewestExamples || n > batchSize) {
      throw new ShapeError('The batch is not of a size that CKA can take.', {
        where: `layer ${JSON.stringify(name)}`,
        expected: `from ${fewestExamples} to ${batchSize} examples`,
        received: String(n),
      });
    }
    this.#batch = n;
    fillGramMatrix(layer, kernel, this.#grams.subarray(this.#next * n * n, (this.#next + 1) * n * n));
    this.#next++;
    if (this.#next === layerNames.length) this.#countBatch();
  }

  /** Of all batches that are complete; more may be added afterwards. */
  result(): MinibatchCkaResult {
    const { layerNames } = this.#spec;
    const all = layerNames.map((_, l) => l);
    return {
      layers: layerNames,
      n: this.#n,
      batches: this.#batches,
      biased: alignment(all, all, this.#biased),
      debiased: alignment(all, all, this.#debiased),
    };
  }

  #countBatch(): void {
    const { length } = this.#spec.layerNames;
    const n = this.#batch;
    const sums = this.#batchSums(n);
    this.#biased.add(sums, { hsic: biasedHsic, weight: n / (n - 1) ** 2 });
    this.#debiased.add(sums, { hsic: unbiasedHsic, weight: 1 / (n - 3) });
    this.#next = 0;
    this.#n += n;
    this.#batches++;
    this.#products.fill(0, 0, length ** 2);
  }

  #batchSums(n: number): KernelSums {
    const { length } = this.#spec.layerNames;
    const [grams, products] = [this.#grams, this.#products];
    addDotProducts({ a: grams, b: grams, c: products, m: length, n: length, k: n * n });
    const rowSums = new Float64Array(length * n);
    const diagonals = new Float64Array(length * n);
    for (let row = 0; row < length * n; row++) {
      for (let j = 0; j < n; j++) rowSums[row]! += grams[row * n + j]!;
      diagonals[row] = grams[row * n + (row % n)]!;
    }
    const sumOf = (a: number, of: Float64Array) =>
      of.subarray(a * n, (a + 1) * n).reduce((sum, value) => sum + value, 0);
    const dot = (a: number, left: Float64Array, b: number, right: Float64Array) => {
      let sum = 0;
      for (let i = 0; i < n; i++) sum += left[a * n + i]! * right[b * n + i]!;
      return sum;
    };
    return {
      n,
      layer: (a) => ({ total: sumOf(a, rowSums), trace: sumOf(a, diagonals) }),
      pair: (a, b) => ({
        frobenius: products[a * length + b]!,
        rowProduct: dot(a, rowSums, b, rowSums),
        rowDiagonal: dot(a, rowSums, b, diagonals) + dot(a, diagonals, b, rowSums),
        diagonalProduct: dot(a, diagonals, b, diagonals),
      }),
    };
  }
}

/** HSIC of all pairs of layers, summed over batches. */
class HsicSums {
  readonly #pairs: Float64Array;
  readonly #squaredNorms: Float64Array;

  constructor(private readonly layers: number) {
    this.#pairs = new Float64Array(layers ** 2);
    this.#squaredNorms = new Float64Array(layers);
  }

  add(
    sums: KernelSums,
    { hsic, weight }: { readonly hsic: typeof biasedHsic; readonly weight: number },
  ): void {
    for (let a = 0; a < this.layers; a++) {
      this.#squaredNorms[a]! += weight * sums.pair(a, a).frobenius;
      for (let b = a; b < this.layers; b++) this.#pairs[a * this.layers + b]! += weight * hsic(sums, a, b);
    }
  }

  hsic(a: number, b: number): number {
    return this.#pairs[a * this.layers + b]!;
  }

  squaredNorm(a: number): number {
    return this.#squaredNorms[a]!;
  }
}
