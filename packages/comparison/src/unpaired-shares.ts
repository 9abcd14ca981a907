import { normalQuantile } from '@kora-bench/core/random';
import { normalTails } from './distributions.js';
import type { Comparison, Direction } from './verdict.js';
import { qualityMargin } from './verdict.js';

export interface UnpairedShares {
  /** Shares in [0, 1]. */
  readonly base: number;
  readonly head: number;
  /** How many examples either share is of. */
  readonly examples: number;
  readonly direction: Direction;
}

/**
 * Two shares of which nothing is known example by example, as from a history: the test of two proportions, which needs
 * far larger differences than a paired one. The interval is Newcombe's from two Wilson intervals: "Interval estimation
 * for the difference between independent proportions" (1998), method 10.
 */
export function compareUnpairedShares({ base, head, examples, direction }: UnpairedShares): Comparison {
  const difference = head - base;
  const pooled = (base + head) / 2;
  const error = Math.sqrt((2 * pooled * (1 - pooled)) / examples);
  const [lowBase, highBase] = wilson(base, examples);
  const [lowHead, highHead] = wilson(head, examples);
  return {
    base,
    head,
    difference,
    interval: [
      difference - Math.hypot(head - lowHead, highBase - base),
      difference + Math.hypot(highHead - head, base - lowBase),
    ],
    p: error === 0 ? 1 : normalTails(difference / error),
    counts: false,
    test: 'two proportions, not paired',
    direction,
    least: 0,
    margin: qualityMargin(base, true),
    note: 'Not paired: the scores of single examples are not known.',
  };
}

/** Wilson's interval of 95 % for a share, which need not be of a whole number of examples. */
function wilson(share: number, n: number): readonly [number, number] {
  const z = normalQuantile(0.975);
  const centre = (share + (z * z) / (2 * n)) / (1 + (z * z) / n);
  const half = (z / (1 + (z * z) / n)) * Math.sqrt((share * (1 - share)) / n + (z * z) / (4 * n * n));
  return [Math.max(0, centre - half), Math.min(1, centre + half)];
}
