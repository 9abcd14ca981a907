const float = new Float32Array(1);
const bits = new Uint32Array(float.buffer);

/**
 * A number as IEEE 754 binary16, to nearest, ties to even; what is too large becomes infinite. JavaScript's
 * own 16-bit arrays are not in Node before version 24.
 */
export function halfBits(value: number): number {
  float[0] = value;
  const sign = (bits[0]! >>> 16) & 0x8000;
  const magnitude = bits[0]! & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00;
  // From 65520 on, rounding leads to infinity.
  if (magnitude >= 0x477ff000) return sign | 0x7c00;
  if (magnitude >= 0x38800000) return sign | roundOff(magnitude - 0x38000000, 13);
  // Below 2⁻¹⁴ the steps are all 2⁻²⁴.
  const shift = 126 - (magnitude >>> 23);
  return shift > 24 ? sign : sign | roundOff((magnitude & 0x7fffff) | 0x800000, shift);
}

/** `number` without its lowest bits, rounded to nearest, ties to even. */
function roundOff(number: number, lowest: number): number {
  const half = 2 ** (lowest - 1);
  const odd = (number >>> lowest) & 1;
  return (number + half - 1 + odd) >>> lowest;
}
