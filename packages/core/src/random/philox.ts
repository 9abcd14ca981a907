/**
 * Philox4x32-10, the counter-based generator of Salmon, Moraes, Dror and Shaw, "Parallel random
 * numbers: as easy as 1, 2, 3" (SC 2011): ten rounds of a keyed bijection on 128-bit counters.
 */

/** Four 32-bit words, each an unsigned integer. */
export type PhiloxCounter = readonly [number, number, number, number];

/** Two 32-bit words, each an unsigned integer. */
export type PhiloxKey = readonly [number, number];

const rounds = 10;
const multiplier0 = 0xd2511f53;
const multiplier1 = 0xcd9e8d57;
const weyl0 = 0x9e3779b9;
const weyl1 = 0xbb67ae85;
const twoPowMinus32 = 2 ** -32;

/**
 * Writes `blocks` consecutive outputs of 4 words each into `out`, for the counters
 * `(low, low + 1, …)` in their lowest word with the other words and the key fixed.
 * The lowest word must not overflow within the call: `counter[0] + blocks ≤ 2³²`.
 */
export function philox4x32Blocks(
  counter: PhiloxCounter,
  key: PhiloxKey,
  blocks: number,
  out: Uint32Array,
): void {
  const [start, fixed1, fixed2, fixed3] = counter;
  for (let block = 0; block < blocks; block++) {
    let x0 = (start + block) >>> 0;
    let x1 = fixed1 >>> 0;
    let x2 = fixed2 >>> 0;
    let x3 = fixed3 >>> 0;
    let k0 = key[0] | 0;
    let k1 = key[1] | 0;
    for (let round = 0; round < rounds; round++) {
      const low0 = Math.imul(multiplier0, x0) >>> 0;
      const low1 = Math.imul(multiplier1, x2) >>> 0;
      // The float64 product is off by at most 2¹⁰ and (product − low) is a multiple of 2³², so
      // that rounding the quotient gives the exact upper half.
      const high0 = ((multiplier0 * x0 - low0) * twoPowMinus32 + 0.5) >>> 0;
      const high1 = ((multiplier1 * x2 - low1) * twoPowMinus32 + 0.5) >>> 0;
      x0 = (high1 ^ x1 ^ k0) >>> 0;
      x1 = low1;
      x2 = (high0 ^ x3 ^ k1) >>> 0;
      x3 = low0;
      k0 = (k0 + weyl0) | 0;
      k1 = (k1 + weyl1) | 0;
    }
    const at = 4 * block;
    out[at] = x0;
    out[at + 1] = x1;
    out[at + 2] = x2;
    out[at + 3] = x3;
  }
}

/** Philox4x32-10 of one counter under one key. */
export function philox4x32(counter: PhiloxCounter, key: PhiloxKey): Uint32Array {
  const out = new Uint32Array(4);
  philox4x32Blocks(counter, key, 1, out);
  return out;
}

const unitsPerBlock = 8;

/**
 * A 64-bit hash of a label as two 32-bit words: Merkle–Damgård over blocks of 8 UTF-16 code units,
 * with Philox4x32-10 as the compression function (block as counter, state as key) and the length
 * as the initial state, so that no label is another's padding.
 */
export function hashLabel(label: string): PhiloxKey {
  let state: PhiloxKey = [label.length, 0];
  for (let at = 0; at === 0 || at < label.length; at += unitsPerBlock) {
    const word = (i: number) => (unit(label, at + 2 * i) | (unit(label, at + 2 * i + 1) << 16)) >>> 0;
    const mixed = philox4x32([word(0), word(1), word(2), word(3)], state);
    state = [mixed[0]!, mixed[1]!];
  }
  return state;
}

function unit(label: string, i: number): number {
  return i < label.length ? label.charCodeAt(i) : 0;
}
