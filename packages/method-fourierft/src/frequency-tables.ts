import type { HostTensor } from '@kora-bench/core/graph';
import { hostTensor } from '@kora-bench/core/graph';
import { randomStream } from '@kora-bench/core/random';

/** Entries of a spectrum `[out, in]`. */
export type Frequencies = readonly (readonly [row: number, column: number])[];

/** n different entries of a spectrum at random, uniformly, a pure function of its size and the seed. */
export function drawFrequencies(
  n: number,
  [out, into]: readonly [number, number],
  seed: number,
): Frequencies {
  const random = randomStream(seed, `fourierft/${out}x${into}`);
  const drawn = new Set<number>();
  // Floyd's sampling: every set of n entries is as likely as any other.
  for (let last = out * into - n; last < out * into; last++) {
    const candidate = random.uniformInt(last + 1);
    drawn.add(drawn.has(candidate) ? last : candidate);
  }
  return [...drawn].map((entry) => [Math.floor(entry / into), entry % into]);
}

/**
 * Re(ifft2(F)) for an F that has c at the given frequencies as a product, but for its factor 1/(out·in):
 * cos(α + β) = cos α·cos β − sin α·sin β, so it is `out · diag(c, c) · in`.
 * @returns `out` `[out, 2n]` and `in` `[2n, in]`
 */
export function frequencyTables(
  frequencies: Frequencies,
  [out, into]: readonly [number, number],
): { readonly out: HostTensor; readonly in: HostTensor } {
  const n = frequencies.length;
  const left = new Float32Array(out * 2 * n);
  const right = new Float32Array(2 * n * into);
  frequencies.forEach(([u, v], k) => {
    for (let p = 0; p < out; p++) {
      // The product is taken modulo the period first: cosines of large angles lose digits.
      const angle = (2 * Math.PI * ((u * p) % out)) / out;
      left[p * 2 * n + k] = Math.cos(angle);
      left[p * 2 * n + n + k] = -Math.sin(angle);
    }
    for (let q = 0; q < into; q++) {
      const angle = (2 * Math.PI * ((v * q) % into)) / into;
      right[k * into + q] = Math.cos(angle);
      right[(n + k) * into + q] = Math.sin(angle);
    }
  });
  return { out: hostTensor([out, 2 * n], left), in: hostTensor([2 * n, into], right) };
}
