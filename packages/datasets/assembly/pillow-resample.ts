/*
 * The two passes of a resize, in AssemblyScript: 16 bytes at a time with WebAssembly's SIMD instructions. The caller,
 * `src/preprocess/pillow-resample.ts`, lays out the memory and computes the taps.
 *
 * A table of taps begins with the number of output positions and the bytes of one record (i32 both). A record is the
 * first input position (i32), the number of pairs of taps (i32), and for each pair 8 bytes: the low halves of both
 * weights and their high halves, four i16. A weight is high · 2^11 + low, since the one instruction that multiplies
 * and adds pairs takes 16 bits; the sum is that of the whole weights, modulo 2^32.
 */

/** Bits after the point of a weight. */
const precisionBits = 22;
const half = 1 << (precisionBits - 1);
/** Bits of a weight's low half. */
const lowBits = 11;

const tableHead = 8;
const recordHead = 8;
const pairBytes = 8;

/** Four sums as whole numbers. */
function rounded(low: v128, high: v128): v128 {
  return i32x4.shr_s(i32x4.add(low, i32x4.shl(high, lowBits)), precisionBits);
}

/**
 * Narrows or widens rows of RGB pixels, `[height, width, 3]` to `[height, outputs, 3]`. Reads up to 8 bytes behind the
 * last pixel and writes one behind the last output.
 */
export function resampleRows(source: usize, width: i32, height: i32, taps: usize, target: usize): void {
  const outputs = load<i32>(taps);
  const stride = load<i32>(taps, 4);
  // Of two pixels next to each other, each channel's two bytes as two words.
  const channelPairs = i8x16(0, -1, 3, -1, 1, -1, 4, -1, 2, -1, 5, -1, -1, -1, -1, -1);
  for (let y = 0; y < height; y++) {
    let record = taps + tableHead;
    for (let x = 0; x < outputs; x++) {
      let from: usize = source + load<i32>(record) * 3;
      let weights: usize = record + recordHead;
      const end: usize = weights + load<i32>(record, 4) * pairBytes;
      let low = i32x4.splat(half);
      let high = i32x4.splat(0);
      while (weights < end) {
        const pair = i8x16.swizzle(v128.load64_zero(from), channelPairs);
        low = i32x4.add(low, i32x4.dot_i16x8_s(pair, v128.load32_splat(weights)));
        high = i32x4.add(high, i32x4.dot_i16x8_s(pair, v128.load32_splat(weights, 4)));
        from += 6;
        weights += pairBytes;
      }
      const sums = rounded(low, high);
      const words = i16x8.narrow_i32x4_s(sums, sums);
      // The fourth byte is the next pixel's first, which is written after it.
      v128.store32_lane(target, i8x16.narrow_i16x8_u(words, words), 0);
      target += 3;
      record += stride;
    }
    source += width * 3;
  }
}

/**
 * Shortens or lengthens columns, `[height, rowBytes]` to `[outputs, rowBytes]`. Reads up to a row and 16 bytes behind
 * the last row, and writes up to 15 bytes behind the last output.
 */
export function resampleColumns(source: usize, rowBytes: i32, taps: usize, target: usize): void {
  const outputs = load<i32>(taps);
  const stride = load<i32>(taps, 4);
  let record = taps + tableHead;
  for (let y = 0; y < outputs; y++) {
    const first: usize = source + load<i32>(record) * rowBytes;
    const begin: usize = record + recordHead;
    const end: usize = begin + load<i32>(record, 4) * pairBytes;
    // What is written behind a row's end is written again with the next row.
    for (let x = 0; x < rowBytes; x += 16) {
      let low0 = i32x4.splat(half);
      let low1 = low0;
      let low2 = low0;
      let low3 = low0;
      let high0 = i32x4.splat(0);
      let high1 = high0;
      let high2 = high0;
      let high3 = high0;
      let from = first + x;
      for (let weights = begin; weights < end; weights += pairBytes) {
        const above = v128.load(from);
        const below = v128.load(from + rowBytes);
        const left = i8x16.shuffle(above, below, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
        const right = i8x16.shuffle(
          above,
          below,
          8,
          24,
          9,
          25,
          10,
          26,
          11,
          27,
          12,
          28,
          13,
          29,
          14,
          30,
          15,
          31,
        );
        const pair0 = i16x8.extend_low_i8x16_u(left);
        const pair1 = i16x8.extend_high_i8x16_u(left);
        const pair2 = i16x8.extend_low_i8x16_u(right);
        const pair3 = i16x8.extend_high_i8x16_u(right);
        const lowWeights = v128.load32_splat(weights);
        const highWeights = v128.load32_splat(weights, 4);
        low0 = i32x4.add(low0, i32x4.dot_i16x8_s(pair0, lowWeights));
        low1 = i32x4.add(low1, i32x4.dot_i16x8_s(pair1, lowWeights));
        low2 = i32x4.add(low2, i32x4.dot_i16x8_s(pair2, lowWeights));
        low3 = i32x4.add(low3, i32x4.dot_i16x8_s(pair3, lowWeights));
        high0 = i32x4.add(high0, i32x4.dot_i16x8_s(pair0, highWeights));
        high1 = i32x4.add(high1, i32x4.dot_i16x8_s(pair1, highWeights));
        high2 = i32x4.add(high2, i32x4.dot_i16x8_s(pair2, highWeights));
        high3 = i32x4.add(high3, i32x4.dot_i16x8_s(pair3, highWeights));
        from += 2 * rowBytes;
      }
      const words01 = i16x8.narrow_i32x4_s(rounded(low0, high0), rounded(low1, high1));
      const words23 = i16x8.narrow_i32x4_s(rounded(low2, high2), rounded(low3, high3));
      v128.store(target + x, i8x16.narrow_i16x8_u(words01, words23));
    }
    target += rowBytes;
    record += stride;
  }
}
