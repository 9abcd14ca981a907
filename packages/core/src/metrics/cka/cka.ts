import { InputError, ShapeError, TrainingError } from '../../errors/kora-error.js';
import { formatShape, type Shape } from '../../graph/shape.js';
import type { LayerPair } from './cross-products.js';
import { biasedHsic, type KernelSums, unbiasedHsic } from './hsic.js';
import { KernelAccumulator } from './kernel-sums.js';

/** One layer's activations for a batch. */
export interface LayerBatch {
  readonly data: Float32Array;
  /** [B, D]: examples, features. */
  readonly shape: Shape;
}

/** Similarities in [0, 1] (biased) and [−1, 1] (debiased); null where CKA is not defined. */
export type CkaMatrix = readonly (readonly (number | null)[])[];

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
    const pairs = layerNames.flatMap((_, a) => layerNames.slice(a).map((__, i): LayerPair => [a, a + i]));
    this.#examples = new LayerExamples(layerNames, pairs, dims);
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

  matrices(rows: readonly number[], columns: readonly number[]): Omit<LinearCkaResult, 'layers'> {
    const n = this.#n;
    const sums = this.#accumulator?.sums();
    const undefinedCka = rows.map(() => columns.map(() => null));
    return {
      n,
      biased: sums === undefined || n < 2 ? undefinedCka : alignment(sums, biasedHsic, rows, columns),
      debiased: sums === undefined || n < 4 ? undefinedCka : alignment(sums, unbiasedHsic, rows, columns),
    };
  }
}

/** Below this share of its kernel, a layer's own HSIC is rounding: it does not vary. */
const noVariance = 1e-13;

/** HSIC(a, b) / √(HSIC(a, a) · HSIC(b, b)). */
function alignment(
  sums: KernelSums,
  hsic: (sums: KernelSums, a: number, b: number) => number,
  rows: readonly number[],
  columns: readonly number[],
): CkaMatrix {
  const scales = new Map<number, number | null>();
  for (const l of new Set([...rows, ...columns])) {
    const own = hsic(sums, l, l);
    scales.set(l, own > noVariance * sums.pair(l, l).frobenius ? Math.sqrt(own) : null);
  }
  const one = (a: number, b: number): number | null => {
    const scaleA = scales.get(a)!;
    const scaleB = scales.get(b)!;
    if (scaleA === null || scaleB === null) return null;
    if (a === b) return 1;
    // Cauchy and Schwarz bound both estimators; rounding may step over.
    return Math.max(-1, Math.min(1, hsic(sums, a, b) / scaleA / scaleB));
  };
  const values = new Map<string, number | null>();
  return rows.map((a) =>
    columns.map((b) => {
      const key = a <= b ? `${a} ${b}` : `${b} ${a}`;
      if (!values.has(key)) values.set(key, one(Math.min(a, b), Math.max(a, b)));
      return values.get(key)!;
    }),
  );
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

function checkLayer(name: string, { data, shape }: LayerBatch, batch: number, width: number): void {
  const where = `layer ${JSON.stringify(name)}`;
  const fits = shape.length === 2 && shape[0] === batch && shape[1] === width && batch > 0 && width > 0;
  if (!fits || data.length !== batch * width) {
    throw new ShapeError('The activations of a layer do not fit.', {
      where,
      expected: `[B, D] = ${formatShape([batch, width])}, neither of them 0`,
      received: `${formatShape(shape)} with ${data.length} numbers`,
    });
  }
  const bad = data.findIndex((x) => !Number.isFinite(x));
  if (bad >= 0) {
    throw new TrainingError('An activation is not finite.', {
      where: `${where}, example ${Math.floor(bad / width)}, feature ${bad % width}`,
      expected: 'finite numbers',
      received: String(data[bad]),
    });
  }
}
