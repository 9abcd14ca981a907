/**
 * A counter-based stream of random numbers: a pure function of (seed, label), the same on every
 * machine and in the browser. Streams with different labels are independent.
 */
export interface RandomStream {
  /** 32 random bits as an unsigned integer. */
  nextUint32(): number;
  /** Uniform in [0, 1) with 32 random bits. */
  uniform(): number;
  /** Uniform integer in [0, n), unbiased. */
  uniformInt(n: number): number;
  /** Standard normal. */
  normal(): number;
  /** A uniformly random permutation of 0 … n−1 (Fisher–Yates). */
  permutation(n: number): Int32Array;
}
