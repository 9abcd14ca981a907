import { InputError, ShapeError } from '../../errors/kora-error.js';
import type { CkaMatrix } from './alignment.js';
import { alignment } from './alignment.js';
import type { LayerPair } from './cross-products.js';
import { biasedHsic, unbiasedHsic } from './hsic.js';
import { KernelAccumulator, kernelAccumulatorBytes } from './kernel-sums.js';
import type { LayerBatch } from './layer-batch.js';
import { checkLayer } from './layer-batch.js';

export interface LinearCkaResult {
  readonly layers: readonly string[];
  /** Examples seen. */
  readonly n: number;
  /** As published; tends to 1 when there are fewer examples than features. */
  readonly biased: CkaMatrix;
  /** From the unbiased estimator of HSIC: near 0 for unrelated layers; needs n ≥ 4. */
  readonly debiased: CkaMatrix;
}

export interface CrossCkaResult {
  /** Layers of the first model. */
  readonly rows: readonly string[];
  /** Layers of the second model. */
  readonly columns: readonly string[];
  readonly n: number;
  readonly biased: CkaMatrix;
  readonly debiased: CkaMatrix;
}

/**
 * Linear centred kernel alignment between all layers of a model, streamed over batches and exact
 * over all examples together: not a mean of values per batch.
 * Sources: Kornblith et al. 2019 (CKA), Song et al. 2012 and Nguyen et al. 2021 (debiased).
 */
export class LinearCka {
  readonly #examples: LayerExamples;

  /**
   * @param layerNames one per layer, in the order of `add`.
   * @param dims width D per layer; taken from the first batch when left out.
   */
  constructor(
    readonly layerNames: readonly string[],
    dims?: readonly number[],
  ) {
    this.#examples = new LayerExamples(layerNames, allPairs(layerNames.length), dims);
  }

  /**
   * Bytes that it takes at most for `n` examples, without the batch that it is given.
   * @param dims width D per layer.
   */
  static bytesFor(dims: readonly number[], n: number): number {
    return kernelAccumulatorBytes(dims, allPairs(dims.length), n);
  }

  /** The most bytes that it took so far, without the batches that it was given. */
  get peakBytes(): number {
    return this.#examples.peakBytes;
  }

  /**
   * @param layers per layer its activations [B, D] for the same B examples.
   * @throws ShapeError when a layer is missing or misshapen, TrainingError when a value is not finite.
   */
  add(layers: readonly LayerBatch[]): void {
    this.#examples.add(layers);
  }

  /** More batches may be added afterwards. */
  result(): LinearCkaResult {
    const all = this.layerNames.map((_, l) => l);
    return { layers: this.layerNames, ...this.#examples.matrices(all, all) };
  }
}

/** Linear CKA between each layer of one model (rows) and each of another (columns). */
export class CrossCka {
  readonly #examples: LayerExamples;

  constructor(
    readonly rowNames: readonly string[],
    readonly columnNames: readonly string[],
  ) {
    const names = [...rowNames.map((name) => `A: ${name}`), ...columnNames.map((name) => `B: ${name}`)];
    const pairs = names.map((_, l): LayerPair => [l, l]);
    for (let a = 0; a < rowNames.length; a++) {
      for (let b = rowNames.length; b < names.length; b++) pairs.push([a, b]);
    }
    this.#examples = new LayerExamples(names, pairs);
  }

  /**
   * @param rows per layer of the first model its activations [B, D].
   * @param columns per layer of the second model its activations for the same B examples.
   * @throws as {@link LinearCka.add}.
   */
  add(rows: readonly LayerBatch[], columns: readonly LayerBatch[]): void {
    checkLayerCount('the first model', this.rowNames.length, rows.length);
    checkLayerCount('the second model', this.columnNames.length, columns.length);
    this.#examples.add([...rows, ...columns]);
  }

  result(): CrossCkaResult {
    const rows = this.rowNames.map((_, a) => a);
    const columns = this.columnNames.map((_, b) => this.rowNames.length + b);
    return { rows: this.rowNames, columns: this.columnNames, ...this.#examples.matrices(rows, columns) };
  }
}

function allPairs(layers: number): LayerPair[] {
  return Array.from({ length: layers }, (_, a) =>
    Array.from({ length: layers - a }, (__, i): LayerPair => [a, a + i]),
  ).flat();
}

/** Checks batches, accumulates them and turns the kernel sums into CKA. */
class LayerExamples {
  #accumulator: KernelAccumulator | undefined;
  #n = 0;

  constructor(
    private readonly names: readonly string[],
    private readonly pairs: readonly LayerPair[],
    private readonly dims?: readonly number[],
  ) {
    if (names.length === 0) {
      throw new InputError('CKA needs at least one layer.', { where: 'layerNames', received: 'no layers' });
    }
    if (dims !== undefined) checkLayerCount('dims', names.length, dims.length);
  }

  add(layers: readonly LayerBatch[]): void {
    checkLayerCount('layers', this.names.length, layers.length);
    const batch = layers[0]!.shape[0] ?? 0;
    const widths = this.#accumulator?.widths ?? this.dims ?? layers.map(({ shape }) => shape[1] ?? 0);
    layers.forEach((layer, l) => {
      checkLayer(this.names[l]!, layer, batch, widths[l]!);
    });
    this.#accumulator ??= new KernelAccumulator(widths, this.pairs);
    this.#accumulator.add(
      layers.map(({ data }) => data),
      batch,
    );
    this.#n += batch;
  }

  get peakBytes(): number {
    return this.#accumulator?.peakBytes ?? 0;
  }

  matrices(rows: readonly number[], columns: readonly number[]): Omit<LinearCkaResult, 'layers'> {
    const n = this.#n;
    const sums = this.#accumulator?.sums();
    const undefinedCka = rows.map(() => columns.map(() => null));
    const aligned = (estimator: typeof biasedHsic, least: number): CkaMatrix =>
      sums === undefined || n < least
        ? undefinedCka
        : alignment(rows, columns, {
            hsic: (a, b) => estimator(sums, a, b),
            squaredNorm: (a) => sums.pair(a, a).frobenius,
          });
    return { n, biased: aligned(biasedHsic, 2), debiased: aligned(unbiasedHsic, 4) };
  }
}

function checkLayerCount(where: string, expected: number, received: number): void {
  if (received !== expected) {
    throw new ShapeError('The number of layers is not that of the names.', {
      where,
      expected: `${expected} layers`,
      received: `${received}`,
    });
  }
}
