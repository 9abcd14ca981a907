/** How alike the numbers of two runs of one configuration are. */
export type Likeness = 'identical' | 'differs in the last digits' | 'differs';

export interface LikenessResult {
  readonly likeness: Likeness;
  /** The largest |a − b| / max(|a|, |b|) over all numbers. */
  readonly largest: number;
}

/** Numbers further apart than this, relative to the larger one, differ in more than their last digits. */
const lastDigits = 1e-4;

/**
 * Compares the numbers of two runs bit by bit. Counts, classes and labels, which are whole, have no last digits: one
 * that is another makes the runs differ.
 * @param base numbers in a fixed order, e.g. all losses and scores; NaN where there is none
 */
export function compareBits(base: ArrayLike<number>, head: ArrayLike<number>): LikenessResult {
  if (base.length !== head.length) return { likeness: 'differs', largest: Number.POSITIVE_INFINITY };
  let largest = 0;
  let identical = true;
  let whole = false;
  for (let i = 0; i < base.length; i++) {
    const [a, b] = [base[i]!, head[i]!];
    if (Object.is(a, b)) continue;
    identical = false;
    const size = Math.max(Math.abs(a), Math.abs(b));
    const apart =
      Number.isNaN(a) !== Number.isNaN(b) ? Number.POSITIVE_INFINITY : Math.abs(a - b) / (size || 1);
    largest = Math.max(largest, apart);
    if (Number.isInteger(a) && Number.isInteger(b)) whole = true;
  }
  if (identical) return { likeness: 'identical', largest: 0 };
  return { likeness: !whole && largest <= lastDigits ? 'differs in the last digits' : 'differs', largest };
}
