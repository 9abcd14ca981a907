import { normalTails } from './distributions.js';
import { mannWhitney, smallestRankP } from './mann-whitney.js';
import { median, quantile, seriesNoise } from './noise.js';

/** A stretch of a series on one level. */
export interface Segment {
  /** Index of its first value. */
  readonly start: number;
  /** Index after its last value. */
  readonly end: number;
  /** The median of its values. */
  readonly level: number;
}

/** A lasting change of a series. */
export interface Shift {
  /** Index of the first value on the new level. */
  readonly at: number;
  readonly before: number;
  readonly after: number;
  /** after / before − 1. */
  readonly change: number;
}

export interface ShiftsOptions {
  /** The relative change that is never called a shift; 0.02 by default. */
  readonly floor?: number;
}

export interface SeriesShifts {
  readonly segments: readonly Segment[];
  readonly shifts: readonly Shift[];
  /** Indices of single values that the levels around them do not follow. */
  readonly outliers: readonly number[];
  /**
   * The relative change from the first value to the last of a steady drift; null for none. What drifts is no series of
   * shifts, and has none here.
   */
  readonly drift: number | null;
}

/** Of longer series the end is looked at: the cost grows with the square. */
const longest = 1000;

/**
 * The shifts of a series, lasting changes of its level: the piecewise constant signal with the smallest L1 distance, each further piece paid for as by
 * the Bayesian information criterion, found exactly by dynamic programming. The criterion is that of airspeed
 * velocity, β·pieces + ln(mean |distance|) with β = 4·ln n / n, which is robust to outliers: Friedrich, Kempe,
 * Liebscher and Winkler, "Complexity penalized M-estimation: fast computation" (2008). Of the pieces that it finds,
 * a single value is no level yet, and neighbours whose values are not told apart by ranks, by the noise or by the
 * floor are one level.
 * @param values in order of time; NaN and infinite ones are passed over
 */
export function detectShifts(values: readonly number[], { floor = 0.02 }: ShiftsOptions = {}): SeriesShifts {
  const places = values.map((_, i) => i).filter((i) => Number.isFinite(values[i]));
  const kept = places.slice(-longest);
  const series = kept.map((i) => values[i]!);
  if (series.length === 0) return { segments: [], shifts: [], outliers: [], drift: null };
  // Counts are the same again and again, and need no search.
  const isConstant = series.every((value) => value === series[0]);
  const levels = isConstant ? [piece(series, 0, series.length)] : mergeClose(series, potts(series), floor);
  const drift = driftOf(series, levels, floor);
  const found = drift === null ? levels : [piece(series, 0, series.length)];
  const at = (i: number) => (i === series.length ? values.length : kept[i]!);
  return {
    segments: found.map(({ start, end, level }) => ({ start: at(start), end: at(end), level })),
    shifts: found.slice(1).map(({ start, level: after }, i) => {
      const before = found[i]!.level;
      return { at: at(start), before, after, change: after / before - 1 };
    }),
    outliers: drift === null ? outliersOf(series, levels, floor).map(at) : [],
    drift,
  };
}

const piece = (series: readonly number[], start: number, end: number): Segment => ({
  start,
  end,
  level: median(series.slice(start, end)),
});

/** The best pieces of any number. */
function potts(series: readonly number[]): Segment[] {
  const n = series.length;
  const most = Math.min(n, 1 + Math.ceil(n / 4), 40);
  const distance = distances(series);
  // Of the best cut of the first j values into k pieces: its distance, and where its last piece begins.
  let best = Float64Array.from({ length: n + 1 }, (_, j) => (j === 0 ? 0 : distance(0, j)));
  const starts: Int32Array[] = [new Int32Array(n + 1)];
  const totals = [best[n]!];
  for (let k = 2; k <= most; k++) {
    const next = new Float64Array(n + 1).fill(Number.POSITIVE_INFINITY);
    const start = new Int32Array(n + 1);
    for (let j = k; j <= n; j++)
      for (let i = k - 1; i < j; i++) {
        const total = best[i]! + distance(i, j);
        if (total < next[j]!) {
          next[j] = total;
          start[j] = i;
        }
      }
    best = next;
    starts.push(start);
    totals.push(best[n]!);
  }
  // A fit without any distance would be worth an infinite number of pieces.
  const least = 1e-3 * (totals[0]! / n) || 1;
  const beta = (4 * Math.log(n)) / n;
  const scores = totals.map((total, k) => beta * (k + 1) + Math.log(least + total / n));
  let pieces = scores.indexOf(Math.min(...scores)) + 1;
  const found: Segment[] = [];
  for (let end = n; pieces >= 1; pieces--) {
    const start = pieces === 1 ? 0 : starts[pieces - 1]![end]!;
    found.unshift(piece(series, start, end));
    end = start;
  }
  return found;
}

/** Σ |value − median| of every stretch, by sorted insertion. */
function distances(series: readonly number[]): (start: number, end: number) => number {
  const n = series.length;
  const table = series.map((_, i) => new Float64Array(n - i));
  for (let start = 0; start < n; start++) {
    const sorted: number[] = [];
    let sum = 0;
    for (let end = start; end < n; end++) {
      const value = series[end]!;
      if (sorted.length > 0) {
        // The sum is the same about every point between the two middle values, and a new value adds its way there.
        const [below, above] = [sorted[(sorted.length - 1) >> 1]!, sorted[sorted.length >> 1]!];
        sum += Math.max(0, below - value, value - above);
      }
      let [low, high] = [0, sorted.length];
      while (low < high) {
        const at = (low + high) >> 1;
        if (sorted[at]! < value) low = at + 1;
        else high = at;
      }
      sorted.splice(low, 0, value);
      table[start]![end - start] = sum;
    }
  }
  return (start, end) => table[start]![end - start - 1]!;
}

/** Joins neighbours that are no shift apart, the closest first, and pieces of one value with what they interrupt. */
function mergeClose(series: readonly number[], pieces: readonly Segment[], floor: number): Segment[] {
  let found = [...pieces];
  const join = (i: number) => {
    const joined = piece(series, found[i]!.start, found[i + 1]!.end);
    found = [...found.slice(0, i), joined, ...found.slice(i + 2)];
  };
  const isSingle = ({ start, end }: Segment) => end - start === 1;
  for (let i = found.findIndex(isSingle); i >= 0 && found.length > 1; i = found.findIndex(isSingle)) {
    const [left, right] = [found[i - 1], found[i + 1]];
    const toLeft =
      right === undefined ||
      (left !== undefined &&
        Math.abs(left.level - found[i]!.level) <= Math.abs(right.level - found[i]!.level));
    join(toLeft ? i - 1 : i);
  }
  for (;;) {
    const noise = innerNoise(series, found);
    const weak = found
      .slice(1)
      .map((after, i) => ({
        i,
        size: sizeOf(found[i]!, after),
        isShift: isShift(series, [found[i]!, after], Math.max(floor, noise), floor),
      }))
      .filter((one) => !one.isShift)
      .toSorted((a, b) => a.size - b.size)[0];
    if (weak === undefined) return found;
    join(weak.i);
  }
}

const sizeOf = (before: Segment, after: Segment) => Math.abs(after.level / before.level - 1);

/** Cuts are sought among many places, so that a p-value has to be smaller than for a single comparison. */
const shiftSignificance = 0.001;

/** By ranks where the values are enough; else the change has to be beyond the noise. */
function isShift(
  series: readonly number[],
  [before, after]: readonly [Segment, Segment],
  beyondNoise: number,
  floor: number,
): boolean {
  const size = sizeOf(before, after);
  const lengths = [before.end - before.start, after.end - after.start] as const;
  if (smallestRankP(...lengths) >= shiftSignificance) return size > beyondNoise;
  const values = ({ start, end }: Segment) => series.slice(start, end);
  return size > floor && mannWhitney(values(before), values(after)).p < shiftSignificance;
}

/** The series' noise within its pieces; 0 where it is too short to show any. */
function innerNoise(series: readonly number[], pieces: readonly Segment[]): number {
  const level = series.flatMap((value, i) => {
    const own = pieces.find(({ start, end }) => start <= i && i < end)!;
    return own.level === 0 ? [] : [value / own.level];
  });
  return seriesNoise(level, 3) ?? 0;
}

function outliersOf(series: readonly number[], pieces: readonly Segment[], floor: number): number[] {
  const distance = pieces.flatMap(({ start, end, level }) =>
    series.slice(start, end).map((value) => Math.abs(value - level) / (Math.abs(level) || 1)),
  );
  const [lower, upper] = [quantile(distance, 0.25), quantile(distance, 0.75)];
  const least = Math.max(floor, upper + 3 * (upper - lower));
  return distance.flatMap((value, i) => (value > least ? [i] : []));
}

/** A series shorter than this is not searched for a drift. */
const fewestForDrift = 12;

/**
 * The relative change of a straight line by Theil and Sen, where the trend is beyond chance by Mann and Kendall's test
 * and the line tells the series better than its levels do.
 */
function driftOf(series: readonly number[], levels: readonly Segment[], floor: number): number | null {
  const n = series.length;
  if (n < fewestForDrift) return null;
  const slopes: number[] = [];
  let trend = 0;
  for (let i = 0; i < n; i++)
    for (let j = i + 1; j < n; j++) {
      slopes.push((series[j]! - series[i]!) / (j - i));
      trend += Math.sign(series[j]! - series[i]!);
    }
  const deviation = Math.sqrt((n * (n - 1) * (2 * n + 5)) / 18);
  if (normalTails(Math.max(0, Math.abs(trend) - 1) / deviation) >= shiftSignificance) return null;
  const slope = median(slopes);
  const start = median(series.map((value, i) => value - slope * i));
  const change = (slope * (n - 1)) / start;
  if (Math.abs(change) <= floor) return null;
  const ofLine = series.reduce((sum, value, i) => sum + Math.abs(value - start - slope * i), 0);
  const ofLevels = levels.reduce(
    (sum, { start: from, end, level }) =>
      sum + series.slice(from, end).reduce((inner, value) => inner + Math.abs(value - level), 0),
    0,
  );
  const beta = (4 * Math.log(n)) / n;
  // A line is paid for like two levels.
  return 2 * beta + Math.log(ofLine / n) < levels.length * beta + Math.log(ofLevels / n) ? change : null;
}
