import { mannWhitney, ratioOf, smallestRankP } from './mann-whitney.js';
import { median } from './noise.js';
import type { PairedDifference } from './paired-scores.js';

/** What can be said of a change: `same` needs evidence too; without enough for anything it is `undecided`. */
export type Verdict = 'better' | 'worse' | 'same' | 'undecided';

export type Direction = 'higher' | 'lower';

/** A comparison before it is known how many others stand beside it. */
export interface Comparison {
  readonly base: number;
  readonly head: number;
  /** head − base. */
  readonly difference: number;
  /** Of the difference; null where there is none to give. */
  readonly interval: readonly [low: number, high: number] | null;
  /** Two-sided; null where there was no test by chance. */
  readonly p: number | null;
  /** Without a p-value: whether the change counts all the same, being exact or beyond the noise of its series. */
  readonly counts: boolean;
  /** In words. */
  readonly test: string;
  readonly direction: Direction;
  /** Changes up to here are not told from none: the noise of the series or a floor. */
  readonly least: number;
  /** A difference whose interval lies within ± this is `same`. */
  readonly margin: number;
  /** What cannot be said, and why. */
  readonly note: string | null;
}

/** Below this p-value, after Holm, a difference counts. */
export const significance = 0.01;

/**
 * The verdict of a comparison.
 * @param adjustedP its p-value after Holm; null where it has none
 */
export function verdictOf(comparison: Comparison, adjustedP: number | null, alpha = significance): Verdict {
  const { difference, interval, direction, least, margin } = comparison;
  const sign = direction === 'higher' ? difference : -difference;
  const counts = comparison.p === null ? comparison.counts : (adjustedP ?? 1) < alpha;
  if (counts && Math.abs(difference) > least) return sign > 0 ? 'better' : 'worse';
  if (interval !== null && interval[0] >= -margin && interval[1] <= margin) return 'same';
  return 'undecided';
}

/** Numbers that are the same in every run: parameters, FLOPs, planned memory. Any change counts. */
export function compareExact(base: number, head: number, direction: Direction): Comparison {
  const difference = head - base;
  return {
    base,
    head,
    difference,
    interval: [difference, difference],
    p: null,
    counts: difference !== 0,
    test: 'exact',
    direction,
    least: 0,
    margin: 0,
    note: null,
  };
}

export interface QualitySpec {
  readonly paired: PairedDifference;
  /** The metric's own values, means over the seeds. */
  readonly base: number;
  readonly head: number;
  readonly direction: Direction;
  /** Whether scores are shares, in [0, 1]. */
  readonly isShare: boolean;
  /** Whether the test is of scores that are only related to the metric. */
  readonly related: boolean;
}

/** The smallest difference that matters: half a point of a share, one per cent of any other value. */
export function qualityMargin(base: number, isShare: boolean): number {
  return isShare ? 0.005 : Math.abs(0.01 * base);
}

/** A metric whose scores of single examples are known on both sides. */
export function compareQuality(spec: QualitySpec): Comparison {
  const { paired, base, head, direction, isShare, related } = spec;
  const difference = head - base;
  const opposed = related && Math.sign(difference) !== Math.sign(paired.difference);
  const seeds = paired.seeds > 1 ? `, ${paired.seeds} seeds` : '';
  return {
    base,
    head,
    difference,
    interval: related ? null : paired.interval,
    p: opposed ? 1 : paired.p,
    counts: false,
    test: `${paired.test}${related ? ', of the images’ own scores' : ''}${seeds}`,
    direction,
    least: 0,
    margin: qualityMargin(base, isShare),
    note: opposed ? 'The metric and the images’ own scores moved in opposite directions.' : null,
  };
}

export interface SampledSpec {
  /** Positive measurements, each of a process of its own. */
  readonly base: readonly number[];
  readonly head: readonly number[];
  readonly direction: Direction;
  /** Relative noise of single measurements that the series has shown; null where it is not known. */
  readonly noise: number | null;
  /** The relative change that is never called one, e.g. 0.02. */
  readonly floor: number;
  readonly alpha?: number;
}

/**
 * Speed and other measurements that differ from run to run. Mann-Whitney where the samples are enough to reach α; else
 * nothing but a change beyond the noise that a known series has shown can be told, and that only after a rerun.
 */
export function compareSampled(spec: SampledSpec): Comparison {
  const { base, head, direction, noise, floor, alpha = significance } = spec;
  const { ratio, interval } = ratioOf(base, head);
  const centre = median(base);
  const enough = smallestRankP(base.length, head.length) < alpha;
  // What several measurements say together is that much quieter than one.
  const quieter = Math.sqrt((1 / base.length + 1 / head.length) / 2);
  const least = Math.max((noise ?? 0) * quieter, floor) * centre;
  const difference = (ratio - 1) * centre;
  const beyondNoise = noise !== null && Math.abs(difference) > least;
  return {
    base: centre,
    head: centre * ratio,
    difference,
    interval: interval && [(interval[0] - 1) * centre, (interval[1] - 1) * centre],
    p: enough ? mannWhitney(base, head).p : null,
    counts: !enough && beyondNoise,
    test: enough
      ? `Mann-Whitney, ${base.length} against ${head.length} samples`
      : noise === null
        ? 'none'
        : 'noise of the series',
    direction,
    least,
    margin: least,
    note:
      enough || noise !== null
        ? null
        : `${base.length} against ${head.length} samples cannot reach p < ${alpha}, and the noise of the series is not known.`,
  };
}

/**
 * The verdict after a rerun: `worse` only where both say so. A first `worse` that the rerun does not repeat is
 * undecided.
 */
export function confirmed(first: Verdict, second: Verdict): Verdict {
  return first !== 'worse' ? first : second === 'worse' ? 'worse' : 'undecided';
}
