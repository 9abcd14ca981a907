import { InputError } from '@kora-bench/core/errors';
import { randomStream } from '@kora-bench/core/random';
import type { MetricScores } from '@kora-bench/core/training';
import { fisherFTail, studentTTails, studentTWithin } from './distributions.js';
import type { Discordance } from './mcnemar.js';
import { mcnemarExact, pairedShareInterval } from './mcnemar.js';

/** How a metric follows from the scores of single examples. */
export type PooledAs = MetricScores['pooledAs'];

/** Scores of the same examples under two models, one row per seed, `[seeds][examples]`. */
export interface PairedScores {
  readonly base: readonly ArrayLike<number>[];
  readonly head: readonly ArrayLike<number>[];
  /** What each example counts, e.g. its measured pixels, `[examples]`; all alike by default. */
  readonly weights?: ArrayLike<number>;
}

export interface PairedOptions {
  readonly pooledAs?: PooledAs;
  /** Of the interval, in (0, 1); 0.95 by default. */
  readonly level?: number;
  /** At most this many resamples of the bootstrap; 1999 by default. */
  readonly resamples?: number;
  /** Of the resamples; 0 by default. */
  readonly seed?: number;
}

/** A difference head − base, in the unit of the metric. */
export interface PairedDifference {
  readonly difference: number;
  readonly interval: readonly [low: number, high: number];
  /** Two-sided, for no difference. */
  readonly p: number;
  readonly test: 'McNemar, exact' | 'paired bootstrap over images' | 'paired over seeds and images';
  /** Examples that have scores under both models and all seeds. */
  readonly examples: number;
  readonly seeds: number;
  /** Each seed's own difference. */
  readonly bySeed: readonly number[];
}

/**
 * The difference of two models on the same examples.
 *
 * One seed and scores of 0 and 1: McNemar's exact test. Otherwise a bootstrap over the images, each with all its
 * seeds: these trained models on images like these. Where the seeds differ from each other by more than their images
 * explain (an F test at 0.1), seeds are drawn too, as readers are in studies of several readers and cases, and a few
 * seeds say as little as they can: Hillis, "A comparison of denominator degrees of freedom methods for
 * multiple observer ROC analysis" (2007). The bootstrap is of the t statistic, symmetric: Hall, "On symmetric
 * bootstrap confidence intervals" (1988).
 * @throws InputError when the rows do not fit each other, or no example has scores under both
 */
export function comparePaired(scores: PairedScores, options: PairedOptions = {}): PairedDifference {
  const { pooledAs = 'mean', level = 0.95 } = options;
  checkRows(scores);
  const kept = commonExamples(scores);
  const weights = scores.weights && pick(scores.weights, kept);
  const values = (row: ArrayLike<number>) => influence(pick(row, kept), { pooledAs, weights });
  const [base, head] = [scores.base.map(values), scores.head.map(values)];
  const differences = head.map((row, s) => row.map((value, i) => value - base[s]![i]!));
  const bySeed = differences.map(meanOf);
  const shared = { examples: kept.length, seeds: differences.length, bySeed };
  const [only] = differences;
  const binary = weights === undefined && areBinary([...scores.base, ...scores.head]);
  if (differences.length === 1 && (pooledAs === 'mean' || pooledAs === 'related') && binary) {
    const counts = discordance(only!);
    return {
      ...shared,
      difference: bySeed[0]!,
      interval: around(bySeed[0]!, pairedShareInterval(counts, level)),
      p: mcnemarExact(counts),
      test: 'McNemar, exact',
    };
  }
  const overSeeds = differences.length > 1 ? seedsVary(differences, level) : null;
  if (overSeeds !== null) return { ...shared, ...overSeeds, test: 'paired over seeds and images' };
  const perImage = kept.map((_, i) => meanOf(differences.map((row) => row[i]!)));
  const found = bootstrap(perImage, level, options);
  // No image differs: nothing varies, and yet a few images say less than many.
  const none = binary && perImage.every((value) => value === 0);
  const interval = none
    ? pairedShareInterval({ baseOnly: 0, headOnly: 0, examples: kept.length }, level)
    : found.interval;
  return { ...shared, ...found, interval, test: 'paired bootstrap over images' };
}

/** Widened so that it has the difference itself in it, which an adjusted interval of a few examples may miss. */
function around(value: number, [low, high]: readonly [number, number]): readonly [number, number] {
  return [Math.min(low, value), Math.max(high, value)];
}

function checkRows({ base, head }: PairedScores): void {
  const length = base[0]?.length ?? 0;
  const fits = base.length === head.length && [...base, ...head].every((row) => row.length === length);
  if (fits && length > 0) return;
  throw new InputError('The scores cannot be paired.', {
    where: 'base and head',
    expected: 'as many seeds on both sides, and the same examples, at least one, in each',
    received: `${base.map((row) => row.length)} and ${head.map((row) => row.length)} examples`,
  });
}

function commonExamples({ base, head }: PairedScores): number[] {
  const rows = [...base, ...head];
  const kept = Array.from({ length: rows[0]!.length }, (_, i) => i).filter((i) =>
    rows.every((row) => Number.isFinite(row[i])),
  );
  if (kept.length > 0) return kept;
  throw new InputError('No example has a score under both models.', {
    where: 'base and head',
    expected: 'at least one',
    received: 'none',
  });
}

const pick = (row: ArrayLike<number>, kept: readonly number[]) => kept.map((i) => row[i]!);

function meanOf(values: readonly number[]): number {
  let sum = 0;
  for (const value of values) sum += value;
  return sum / values.length;
}

/**
 * The metric of the scores of examples, as the evaluator that wrote them pools them; NaN for no example with a score.
 * @param weights as {@link PairedScores.weights}
 */
export function pooledValue(row: ArrayLike<number>, pooledAs: PooledAs, weights?: ArrayLike<number>): number {
  const kept = Array.from(row, (_, i) => i).filter((i) => Number.isFinite(row[i]));
  return meanOf(influence(pick(row, kept), { pooledAs, weights: weights && pick(weights, kept) }));
}

interface Pooling {
  readonly pooledAs: PooledAs;
  readonly weights: readonly number[] | undefined;
}

/** Values per example whose mean is the metric, and whose spread is the metric's to first order. */
function influence(row: readonly number[], { pooledAs, weights }: Pooling): readonly number[] {
  const isRoot = pooledAs === 'root-mean' || pooledAs === 'root-mean-square';
  const terms = pooledAs === 'root-mean-square' ? row.map((value) => value * value) : row;
  const weight = weights === undefined ? 1 : meanOf(weights);
  const shares = terms.map((_, i) => (weights === undefined ? 1 : weights[i]! / weight));
  const mean = meanOf(terms.map((term, i) => term * shares[i]!));
  const moved = terms.map((term, i) => mean + shares[i]! * (term - mean));
  if (!isRoot) return moved;
  const root = Math.sqrt(mean);
  return root === 0 ? row.map(() => 0) : moved.map((value) => root + (value - mean) / (2 * root));
}

function areBinary(rows: readonly ArrayLike<number>[]): boolean {
  return rows.every((row) =>
    Array.from(row).every((value) => value === 0 || value === 1 || Number.isNaN(value)),
  );
}

function discordance(differences: readonly number[]): Discordance {
  return {
    baseOnly: differences.filter((value) => value < 0).length,
    headOnly: differences.filter((value) => value > 0).length,
    examples: differences.length,
  };
}

type Inference = Pick<PairedDifference, 'difference' | 'interval' | 'p'>;

/** Null where the seeds' differences are no further apart than their images make them. */
function seedsVary(differences: readonly (readonly number[])[], level: number): Inference | null {
  const [seeds, images] = [differences.length, differences[0]!.length];
  if (images < 2) return null;
  const ofSeeds = differences.map(meanOf);
  const ofImages = differences[0]!.map((_, i) => meanOf(differences.map((row) => row[i]!)));
  const mean = meanOf(ofSeeds);
  const squares = (values: readonly number[], from: number) =>
    values.reduce((sum, value) => sum + (value - from) ** 2, 0);
  const seedSquare = (images * squares(ofSeeds, mean)) / (seeds - 1);
  const imageSquare = (seeds * squares(ofImages, mean)) / (images - 1);
  let rest = 0;
  for (const [s, row] of differences.entries())
    for (const [i, value] of row.entries()) rest += (value - ofSeeds[s]! - ofImages[i]! + mean) ** 2;
  const restSquare = rest / ((seeds - 1) * (images - 1));
  const f = restSquare === 0 ? (seedSquare === 0 ? 0 : Number.POSITIVE_INFINITY) : seedSquare / restSquare;
  if (fisherFTail(f, seeds - 1, (seeds - 1) * (images - 1)) > 0.1) return null;
  const ofBoth = seedSquare + Math.max(imageSquare - restSquare, 0);
  const error = Math.sqrt(ofBoth / (seeds * images));
  const degreesOfFreedom = (ofBoth ** 2 / seedSquare ** 2) * (seeds - 1);
  const half = studentTWithin(level, degreesOfFreedom) * error;
  return {
    difference: mean,
    interval: [mean - half, mean + half],
    p: studentTTails(mean / error, degreesOfFreedom),
  };
}

/** After this many resamples, a p-value that is far from small is known well enough. */
const firstResamples = 399;

/** A p-value is counted where at least this many resamples lie beyond, and extrapolated below. */
const fewestBeyond = 20;

function bootstrap(
  values: readonly number[],
  level: number,
  { resamples = 1999, seed = 0 }: PairedOptions,
): Inference {
  const { mean, error } = meanAndError(values);
  // All images differ alike: nothing to resample; each might as well have differed the other way.
  if (error === 0) {
    return { difference: mean, interval: [mean, mean], p: mean === 0 ? 1 : 2 ** (1 - values.length) };
  }
  const observed = Math.abs(mean / error);
  const draws = Float64Array.from(values);
  const uniform = fastUniform(seed);
  const statistics: number[] = [];
  let beyond = 0;
  while (statistics.length < resamples) {
    let sum = 0;
    let squares = 0;
    for (let i = 0; i < draws.length; i++) {
      const value = draws[Math.floor(uniform() * draws.length)]! - mean;
      sum += value;
      squares += value * value;
    }
    const centre = sum / draws.length;
    const spread = Math.sqrt(Math.max(0, squares / draws.length - centre ** 2) / (draws.length - 1));
    const t = spread === 0 ? Number.POSITIVE_INFINITY : Math.abs(centre) / spread;
    statistics.push(t);
    if (t >= observed) beyond++;
    if (statistics.length >= firstResamples && beyond >= fewestBeyond) break;
  }
  statistics.sort((a, b) => a - b);
  const within = (share: number) =>
    statistics[Math.min(statistics.length - 1, Math.ceil(share * (statistics.length + 1)) - 1)]!;
  const half = Number.isFinite(within(level)) ? within(level) * error : Number.POSITIVE_INFINITY;
  return {
    difference: mean,
    interval: [mean - half, mean + half],
    p:
      beyond >= fewestBeyond
        ? (beyond + 1) / (statistics.length + 1)
        : farTail(observed, within(0.99), values.length - 1),
  };
}

/**
 * Student's tail, stretched so that it has the resamples' own 99 % quantile: far out, where resamples are none, it is what
 * they can be continued by.
 */
function farTail(t: number, quantile: number, degreesOfFreedom: number): number {
  const stretch = Math.max(1, quantile / studentTWithin(0.99, degreesOfFreedom));
  return Number.isFinite(stretch) ? studentTTails(t / stretch, degreesOfFreedom) : 1;
}

function meanAndError(values: readonly number[]): { readonly mean: number; readonly error: number } {
  const mean = meanOf(values);
  if (values.length < 2) return { mean, error: 0 };
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  const error = Math.sqrt(squares / (values.length - 1) / values.length);
  // Equal values leave rounding behind.
  return { mean, error: error <= 1e-14 * Math.abs(mean) ? 0 : error };
}

/**
 * Uniform in [0, 1) with 32 bits: xorshift128, seeded from a stream. Millions of draws are needed, and nothing but the
 * resamples depends on them. Source: Marsaglia, "Xorshift RNGs" (2003).
 */
function fastUniform(seed: number): () => number {
  const stream = randomStream(seed, 'comparison/bootstrap');
  let [x, y, z, w] = [stream.nextUint32(), stream.nextUint32(), stream.nextUint32(), stream.nextUint32() | 1];
  return () => {
    const t = x ^ (x << 11);
    [x, y, z] = [y, z, w];
    w = w ^ (w >>> 19) ^ t ^ (t >>> 8);
    return (w >>> 0) / 4294967296;
  };
}
