import type { Comparison, Likeness, Verdict } from '@kora-bench/comparison';
import type { ComparedCell } from '../measures/compared-cell.js';
import type { Measure } from '../measures/measures.js';

/** Cells of one configuration on both sides, with the seeds that both have. */
export interface CellPair {
  /** For people, as short as tells it from the others. */
  readonly name: string;
  readonly configuration: string;
  readonly seeds: readonly number[];
  readonly base: readonly ComparedCell[];
  readonly head: readonly ComparedCell[];
}

/** One measure of one cell on both sides. */
export interface ComparisonRow {
  readonly cell: string;
  /** The digest of its settings, the same on both sides. */
  readonly configuration: string;
  readonly seeds: number;
  readonly measure: Omit<Measure, 'value' | 'interval'>;
  readonly comparison: Comparison;
  /** After Holm over all rows of its kind; null where there was no test by chance. */
  readonly adjustedP: number | null;
  readonly verdict: Verdict;
  /** What it would be were it confirmed: a slow-down counts only where a rerun shows it again. */
  readonly unconfirmed: Verdict | null;
  readonly note: string | null;
}

/** A cell that the other side does not have. */
export interface UnmatchedCell {
  readonly side: 'base' | 'head';
  readonly name: string;
  readonly seed: number;
  readonly reason: string;
}

/** Something that both sides have and that must not be compared. */
export interface Refusal {
  readonly cell: string;
  readonly what: string;
  readonly reason: string;
}

export interface RunComparison {
  readonly base: string;
  readonly head: string;
  readonly cells: readonly {
    readonly name: string;
    readonly seeds: readonly number[];
    /** Null where one side is an entry of a history, or was run with other data. */
    readonly likeness: Likeness | null;
    /** The largest difference of all numbers, relative to the largest of their list; null as above, and where their counts differ. */
    readonly largest: number | null;
  }[];
  readonly rows: readonly ComparisonRow[];
  readonly unmatched: readonly UnmatchedCell[];
  readonly refused: readonly Refusal[];
  readonly problems: readonly string[];
  /** Whether a gating measure is worse. */
  readonly failed: boolean;
}

/** Relative noise of the measurements of a series; null where it is not known. */
export type NoiseOf = (cell: ComparedCell, measure: string) => number | null;
