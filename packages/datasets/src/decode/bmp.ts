import type { ImageExtent } from '../preprocess/pillow-resample.js';
import type { Values } from './decode-targets.js';

/*
 * Windows and OS/2 bitmaps: libvips does not read them, and what npm has reads a part of them. The layout is that of
 * Microsoft's BITMAPINFOHEADER; what it leaves open is decided as Pillow does.
 */

interface BmpHeader extends ImageExtent {
  readonly topDown: boolean;
  readonly depth: number;
  readonly compression: number;
  readonly pixelsAt: number;
  /** Colours as stored, `[blue, green, red]` and one more byte but in OS/2's. */
  readonly palette: Uint8Array;
  readonly paletteStride: 3 | 4;
  /** Of red, green and blue, where `depth` is 16 or 32. */
  readonly masks: readonly [number, number, number];
}

const uncompressed = 0;
const runLength8 = 1;
const runLength4 = 2;
const bitFields = 3;
const alphaBitFields = 6;

/**
 * Decodes a bitmap to RGB; alpha is left out.
 *
 * @param mostPixels beyond which it is refused before anything is allocated
 * @param leastPart the share of the pixels that must be there; the others are black
 * @throws Error with the reason when it cannot be decoded
 */
export function decodeBmp(bytes: Uint8Array, mostPixels: number, leastPart = 1): Values<Uint8Array> {
  const header = readHeader(bytes);
  const { height, width, depth, compression } = header;
  if (height < 1 || width < 1 || height * width > mostPixels) {
    throw new Error(`a header of ${width} × ${height} pixels, more than ${mostPixels} or none`);
  }
  const packed = compression === runLength8 || compression === runLength4;
  const rowBytes = Math.ceil((width * depth) / 32) * 4;
  // The last row may lack its padding; a run is two bytes for up to 255 pixels.
  const needed = packed ? (height * width) / 128 : rowBytes * (height - 1) + (width * depth) / 8;
  if (bytes.length - header.pixelsAt < needed * leastPart) throw new Error('a file that ends too early');
  const values = new Uint8Array(height * width * 3);
  if (packed) paint(values, header, unpackRuns(bytes, header, leastPart < 1), width, 8);
  else paint(values, header, wholeRows(bytes.subarray(header.pixelsAt), rowBytes, height), rowBytes, depth);
  return { values, height, width };
}

/** Without a row of which a part is missing: the last one of a whole file may lack its padding. */
function wholeRows(data: Uint8Array, rowBytes: number, height: number): Uint8Array {
  const rows = Math.floor(data.length / rowBytes);
  return rows >= height - 1 ? data : data.subarray(0, rows * rowBytes);
}

function readHeader(bytes: Uint8Array): BmpHeader {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < 26) throw new Error('a file that ends too early');
  const pixelsAt = view.getUint32(10, true);
  const infoBytes = view.getUint32(14, true);
  const core = infoBytes === 12;
  if (!core && (infoBytes < 40 || bytes.length < 14 + infoBytes)) {
    throw new Error(`a header of ${infoBytes} bytes in a file of ${bytes.length}`);
  }
  const signedHeight = core ? view.getUint16(20, true) : view.getInt32(22, true);
  const depth = view.getUint16(core ? 24 : 28, true);
  const compression = core ? uncompressed : view.getUint32(30, true);
  const known =
    compression === uncompressed
      ? [1, 4, 8, 16, 24, 32]
      : { [runLength8]: [8], [runLength4]: [4], [bitFields]: [16, 32], [alphaBitFields]: [16, 32] }[
          compression
        ];
  if (!known?.includes(depth))
    throw new Error(`compression ${compression} of ${depth} bits, which is not read`);
  const masked = compression === bitFields || compression === alphaBitFields;
  if (masked && bytes.length < 66) throw new Error('a file that ends too early');
  const masksAfter = masked && infoBytes === 40 ? (compression === bitFields ? 12 : 16) : 0;
  const paletteAt = 14 + infoBytes + masksAfter;
  const paletteStride = core ? 3 : 4;
  const used = (core ? 0 : view.getUint32(46, true)) || 2 ** Math.min(depth, 8);
  const paletteEnd = Math.min(paletteAt + Math.min(used, 256) * paletteStride, pixelsAt, bytes.length);
  return {
    height: Math.abs(signedHeight),
    width: core ? view.getUint16(18, true) : view.getInt32(18, true),
    topDown: signedHeight < 0,
    depth,
    compression,
    pixelsAt,
    palette: depth > 8 ? new Uint8Array() : bytes.subarray(paletteAt, Math.max(paletteAt, paletteEnd)),
    paletteStride,
    masks: masked
      ? [view.getUint32(54, true), view.getUint32(58, true), view.getUint32(62, true)]
      : depth === 16
        ? [0x7c00, 0x03e0, 0x001f]
        : [0xff0000, 0xff00, 0xff],
  };
}

/** Rows of pixels as stored, to RGB. Indices beyond the palette are black. */
function paint(
  values: Uint8Array,
  header: BmpHeader,
  data: Uint8Array,
  rowBytes: number,
  depth: number,
): void {
  const { height, width, topDown, palette, paletteStride } = header;
  const colour = depth === 16 || depth === 32 ? fieldReader(header.masks) : undefined;
  // What is missing of a file that is cut short has the first colour of its palette, or is black.
  const there = Math.min(height, Math.ceil(data.length / rowBytes));
  if (there < height) fillWith(values, palette[2] ?? 0, palette[1] ?? 0, palette[0] ?? 0);
  for (let stored = 0; stored < there; stored++) {
    const start = stored * rowBytes;
    let at = (topDown ? stored : height - 1 - stored) * width * 3;
    for (let column = 0; column < width; column++, at += 3) {
      if (colour !== undefined) {
        const from = start + (column * depth) / 8;
        let word = 0;
        for (let byte = depth / 8 - 1; byte >= 0; byte--) word = (word << 8) | (data[from + byte] ?? 0);
        colour(word >>> 0, values, at);
        continue;
      }
      let source = data;
      let from = start + column * 3;
      if (depth !== 24) {
        const bit = column * depth;
        const byte = data[start + (bit >> 3)] ?? 0;
        const index = (byte >> (8 - depth - (bit & 7))) & ((1 << depth) - 1);
        source = palette;
        from = index * paletteStride;
      }
      values[at] = source[from + 2] ?? 0;
      values[at + 1] = source[from + 1] ?? 0;
      values[at + 2] = source[from] ?? 0;
    }
  }
}

function fillWith(values: Uint8Array, ...colour: readonly [red: number, green: number, blue: number]): void {
  values.set(colour);
  for (let filled = 3; filled < values.length; filled *= 2)
    values.copyWithin(filled, 0, values.length - filled);
}

/** Reads the three bit fields of a word, each stretched to 0 … 255. */
function fieldReader(masks: BmpHeader['masks']): (word: number, values: Uint8Array, at: number) => void {
  const fields = masks.map((mask) => {
    const shift = mask === 0 ? 0 : 31 - Math.clz32(mask & -mask);
    return { mask, shift, most: mask >>> shift };
  });
  return (word, values, at) => {
    fields.forEach(({ mask, shift, most }, i) => {
      values[at + i] = most === 0 ? 0 : Math.floor(((((word & mask) >>> 0) >>> shift) * 255) / most);
    });
  };
}

/**
 * One index a byte, `[height, width]` in stored order, of rows in runs (RLE8 and RLE4). As Pillow: a run ends with its
 * row, pixels that are listed one by one go on in the next, and a row that ends early is filled with index 0.
 */
function unpackRuns(bytes: Uint8Array, header: BmpHeader, truncated: boolean): Uint8Array {
  const { height, width, pixelsAt, compression } = header;
  const indices = new Uint8Array(height * width);
  const half = compression === runLength4;
  const nibble = (byte: number, i: number) => (half ? (i % 2 === 0 ? byte >> 4 : byte & 15) : byte);
  let at = pixelsAt;
  let filled = 0;
  let column = 0;
  while (filled < indices.length) {
    const [count, value] = [bytes[at], bytes[at + 1]];
    at += 2;
    if (count === undefined || value === undefined) break;
    if (count > 0) {
      const pixels = Math.min(count, Math.max(0, width - column), indices.length - filled);
      for (let i = 0; i < pixels; i++) indices[filled++] = nibble(value, i);
      column += pixels;
    } else if (value === 0) {
      filled = Math.ceil(filled / width) * width;
      column = 0;
    } else if (value === 1) {
      break;
    } else if (value === 2) {
      const [right, down] = [bytes[at], bytes[at + 1]];
      at += 2;
      if (right === undefined || down === undefined) break;
      filled = Math.min(indices.length, filled + right + down * width);
      column = filled % width;
    } else {
      const pixels = Math.min(value, indices.length - filled);
      const length = half ? Math.ceil(pixels / 2) : pixels;
      if (at + length > bytes.length) break;
      for (let i = 0; i < pixels; i++) indices[filled++] = nibble(bytes[at + (half ? i >> 1 : i)]!, i);
      at += length + ((at + length) % 2);
      column += value;
    }
  }
  if (filled < indices.length && !truncated) throw new Error('a file that ends too early');
  return indices;
}
