/* How numbers become bytes that a general codec does well with. */

/** Numbers of 1 … 8 bits behind each other, the lowest bit of the first byte first. */
export function packBits(numbers: Uint8Array, bits: number): Uint8Array {
  const packed = new Uint8Array(Math.ceil((numbers.length * bits) / 8));
  for (let i = 0; i < numbers.length; i++) {
    const at = i * bits;
    const shifted = numbers[i]! << (at & 7);
    packed[at >> 3]! |= shifted & 255;
    if (shifted > 255) packed[(at >> 3) + 1]! |= shifted >> 8;
  }
  return packed;
}

/** Undoes {@link packBits}. */
export function unpackBits(packed: Uint8Array, bits: number, count: number): Uint8Array {
  const mask = 2 ** bits - 1;
  return Uint8Array.from({ length: count }, (_, i) => {
    const at = i * bits;
    const two = packed[at >> 3]! | ((packed[(at >> 3) + 1] ?? 0) << 8);
    return (two >> (at & 7)) & mask;
  });
}

/**
 * Numbers byte by byte: first the highest byte of all of them, then the next, so that those that are alike stand together,
 * as in the shuffle filter of HDF5.
 */
export function toPlanes(numbers: Uint16Array | Uint32Array): Uint8Array {
  const width = numbers.BYTES_PER_ELEMENT;
  const planes = new Uint8Array(numbers.length * width);
  for (let plane = 0; plane < width; plane++) {
    const shift = 8 * (width - 1 - plane);
    for (let i = 0; i < numbers.length; i++)
      planes[plane * numbers.length + i] = (numbers[i]! >>> shift) & 255;
  }
  return planes;
}

/** Undoes {@link toPlanes}; numbers of `width` bytes. */
export function fromPlanes(planes: Uint8Array, width: 2 | 4): Uint32Array {
  const count = planes.length / width;
  const numbers = new Uint32Array(count);
  for (let plane = 0; plane < width; plane++)
    for (let i = 0; i < count; i++) numbers[i] = numbers[i]! * 256 + planes[plane * count + i]!;
  return numbers;
}
