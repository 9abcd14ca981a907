import type { RandomStream } from '@kora-bench/core';

/** A uniformly chosen element. */
export function choose<T>(random: RandomStream, from: readonly T[]): T {
  return from[random.uniformInt(from.length)]!;
}

/** Uniform in [low, high). */
export function between(random: RandomStream, low: number, high: number): number {
  return low + (high - low) * random.uniform();
}

/** True with the given probability. */
export function chance(random: RandomStream, probability: number): boolean {
  return random.uniform() < probability;
}
