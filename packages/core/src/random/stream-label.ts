import { type PhiloxKey, philox4x32 } from './philox.js';

const UNITS_PER_BLOCK = 8;

/**
 * A 64-bit hash of a label as two 32-bit words: Merkle–Damgård over blocks of 8 UTF-16 code units,
 * with Philox4x32-10 as the compression function (block as counter, state as key) and the length
 * as the initial state, so that no label is another's padding.
 */
export function hashLabel(label: string): PhiloxKey {
  let state: PhiloxKey = [label.length, 0];
  for (let at = 0; at === 0 || at < label.length; at += UNITS_PER_BLOCK) {
    const word = (i: number) => (unit(label, at + 2 * i) | (unit(label, at + 2 * i + 1) << 16)) >>> 0;
    const mixed = philox4x32([word(0), word(1), word(2), word(3)], state);
    state = [mixed[0]!, mixed[1]!];
  }
  return state;
}

function unit(label: string, i: number): number {
  return i < label.length ? label.charCodeAt(i) : 0;
}
