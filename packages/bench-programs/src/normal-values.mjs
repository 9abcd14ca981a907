import { randomStream } from '@kora-bench/core';

/** A prime, so that no extent of a model divides it and rows of a matrix do not repeat. */
const drawn = 1_048_573;

/**
 * Normal values, as many as asked for, the same ones each time. They are a million draws over and over: fresh
 * ones for a ViT-B/16 would take longer than most that is measured with them.
 * @returns `(length, std, mean)` → Float32Array, each starting where the last one ended
 */
export function normalValues(seed, label) {
  const random = randomStream(seed, label);
  const draws = Float32Array.from({ length: drawn }, () => random.normal());
  let at = 0;
  return (length, std, mean = 0) => {
    const values = new Float32Array(length);
    for (let i = 0; i < length; i++) {
      values[i] = mean + std * draws[at];
      if (++at === drawn) at = 0;
    }
    return values;
  };
}
