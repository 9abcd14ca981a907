import { holm } from './holm.js';
import { compactLetters } from './letters.js';
import type { PairedDifference, PooledAs } from './paired-scores.js';
import { comparePaired } from './paired-scores.js';
import type { Direction } from './verdict.js';
import { significance } from './verdict.js';

/** One method's scores of the same examples with the same seeds as the others', `[seeds][examples]`. */
export interface MethodScores {
  readonly label: string;
  /** The metric's value, the mean over the seeds. */
  readonly value: number;
  readonly scores: readonly ArrayLike<number>[];
}

/** The difference of two methods, first − second, where the first is the better one. */
export interface MethodPair extends PairedDifference {
  readonly first: string;
  readonly second: string;
  readonly adjustedP: number;
  /** Whether it holds after Holm. */
  readonly holds: boolean;
}

export interface MethodDifferences {
  /** The best method first. */
  readonly methods: readonly {
    readonly label: string;
    readonly value: number;
    /** Methods that share a letter cannot be told apart. */
    readonly letters: string;
  }[];
  readonly pairs: readonly MethodPair[];
}

export interface MethodDifferencesOptions {
  readonly direction: Direction;
  readonly pooledAs: PooledAs;
  readonly weights?: ArrayLike<number>;
  readonly alpha?: number;
}

/**
 * Which differences between methods hold: every pair on the same examples and seeds, with Holm's correction for being
 * several.
 */
export function methodDifferences(
  methods: readonly MethodScores[],
  { direction, pooledAs, weights, alpha = significance }: MethodDifferencesOptions,
): MethodDifferences {
  const ordered = methods.toSorted((a, b) =>
    direction === 'higher' ? b.value - a.value : a.value - b.value,
  );
  const pairs = ordered.flatMap((first, i) =>
    ordered.slice(i + 1).map((second) => ({
      first,
      second,
      paired: comparePaired(
        { base: second.scores, head: first.scores, ...(weights && { weights }) },
        { pooledAs },
      ),
    })),
  );
  const adjusted = holm(pairs.map(({ paired }) => paired.p));
  const judged = pairs.map(({ first, second, paired }, i) => ({
    first: first.label,
    second: second.label,
    ...paired,
    adjustedP: adjusted[i]!,
    holds: adjusted[i]! < alpha,
  }));
  const place = new Map(ordered.map(({ label }, i) => [label, i]));
  const letters = compactLetters(
    ordered.length,
    judged.flatMap(({ first, second, holds }) =>
      holds ? [[place.get(first)!, place.get(second)!] as const] : [],
    ),
  );
  return {
    methods: ordered.map(({ label, value }, i) => ({ label, value, letters: letters[i]! })),
    pairs: judged,
  };
}
