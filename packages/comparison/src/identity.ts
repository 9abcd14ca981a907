/** How alike the numbers of two runs of one configuration are. */
export type Likeness = 'identical' | 'differs in the last digits' | 'differs';

export interface LikenessResult {
  readonly likeness: Likeness;
  /** The largest |a − b| of all numbers, each relative to the largest magnitude of its list. */
  readonly largest: number;
}

/** Numbers further apart than this share of their list's largest differ in more than their last digits. */
const lastDigits = 1e-3;

/**
 * Compares the numbers of two runs bit by bit. Counts, classes and labels, which are whole, have no last digits: one
 * that is another makes the runs differ.
 * @param base lists of numbers of one kind, e.g. a training's losses or a score of all examples; NaN where there is none
 * @param head the same lists in the same order
 */
export function compareBits(
  base: readonly ArrayLike<number>[],
  head: readonly ArrayLike<number>[],
): LikenessResult {
  if (base.length !== head.length) return { likeness: 'differs', largest: Number.POSITIVE_INFINITY };
  let [largest, identical, whole] = [0, true, false];
  for (const [list, own] of base.entries()) {
    const other = head[list]!;
    if (own.length !== other.length) return { likeness: 'differs', largest: Number.POSITIVE_INFINITY };
    let [apart, size] = [0, 0];
    for (let i = 0; i < own.length; i++) {
      const [a, b] = [own[i]!, other[i]!];
      if (!Number.isNaN(a) && !Number.isNaN(b)) size = Math.max(size, Math.abs(a), Math.abs(b));
      if (Object.is(a, b)) continue;
      identical = false;
      apart = Math.max(apart, Number.isNaN(a - b) ? Number.POSITIVE_INFINITY : Math.abs(a - b));
      if (Number.isInteger(a) && Number.isInteger(b)) whole = true;
    }
    largest = Math.max(largest, apart / (size || 1));
  }
  if (identical) return { likeness: 'identical', largest: 0 };
  return { likeness: !whole && largest <= lastDigits ? 'differs in the last digits' : 'differs', largest };
}
