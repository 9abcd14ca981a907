import type { ImageExtent, PixelRegion } from '../preprocess/pillow-resample.js';
import type { Values } from './decode-targets.js';

/*
 * What Pillow makes of the first picture of a GIF, and libvips does not: transparent pixels have the colour of their
 * index, and so has what the picture leaves free of the screen. (GIF89a, CompuServe 1990.)
 */

export interface FirstFrame {
  /** A file of the first picture alone, without transparency. */
  readonly opaque: Uint8Array;
  /** As the header says, or as far as the picture reaches: libvips has rules of its own for some sizes. */
  readonly screen: ImageExtent;
  /** The part of the screen that the picture covers. */
  readonly covers: PixelRegion;
  /** The colour of the rest. */
  readonly elsewhere: readonly [red: number, green: number, blue: number];
}

const headerBytes = 13;
const pictureBytes = 10;
const extension = 0x21;
const graphicControl = 0xf9;
const picture = 0x2c;
const trailer = 0x3b;
/** The palette of a file without one. */
const greys = Uint8Array.from({ length: 768 }, (_, i) => Math.floor(i / 3));

/**
 * @param mostPixels beyond which a screen is refused
 * @throws Error with the reason when there is no whole picture in the file
 */
export function firstFrame(bytes: Uint8Array, mostPixels: number): FirstFrame {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const tableOf = (flags: number, at: number) =>
    flags & 0x80 ? bytes.subarray(at, at + 3 * 2 ** ((flags & 7) + 1)) : undefined;
  if (bytes.length < headerBytes) throw new Error('a file that ends too early');
  const global = tableOf(bytes[10]!, headerBytes);
  let at = headerBytes + (global?.length ?? 0);
  let transparent: number | undefined;
  // Like Pillow, this passes over bytes that begin nothing.
  while (bytes[at] !== picture) {
    if (at >= bytes.length) throw new Error('a file that ends too early');
    if (bytes[at] === trailer) throw new Error('no picture in it');
    if (bytes[at] !== extension) {
      at++;
      continue;
    }
    if (bytes[at + 1] === graphicControl) transparent = bytes[at + 3]! & 1 ? bytes[at + 6] : undefined;
    at = endOfBlocks(bytes, at + 2);
  }
  if (at + pictureBytes > bytes.length) throw new Error('a file that ends too early');
  const local = tableOf(bytes[at + 9]!, at + pictureBytes);
  const dataAt = at + pictureBytes + (local?.length ?? 0);
  const covers = {
    left: view.getUint16(at + 1, true),
    top: view.getUint16(at + 3, true),
    width: view.getUint16(at + 5, true),
    height: view.getUint16(at + 7, true),
  };
  const screen = {
    width: Math.max(view.getUint16(6, true), covers.left + covers.width),
    height: Math.max(view.getUint16(8, true), covers.top + covers.height),
  };
  if (screen.height * screen.width > mostPixels) {
    throw new Error(`a header of ${screen.width} × ${screen.height} pixels`);
  }
  const codeBits = bytes[dataAt] ?? 0;
  const data = joinedBlocks(bytes, dataAt + 1);
  requirePixels(covers.height * covers.width, data, codeBits);
  const table = local ?? global ?? greys;
  const header = bytes.slice(0, headerBytes);
  if (table === greys) header[10]! |= 0x87;
  const palette = table === greys ? greys : (global ?? new Uint8Array());
  const level = (channel: number) => table[3 * (transparent ?? 0) + channel] ?? 0;
  return {
    opaque: Buffer.concat([
      header,
      palette,
      bytes.subarray(at, dataAt + 1),
      inBlocks(data),
      Uint8Array.of(trailer),
    ]),
    screen,
    covers,
    elsewhere: [level(0), level(1), level(2)],
  };
}

/** Behind the last of the sub-blocks that begin here: each a length and as many bytes, the last one empty. */
function endOfBlocks(bytes: Uint8Array, at: number): number {
  let end = at;
  for (;;) {
    const length = bytes[end];
    if (length === undefined) throw new Error('a file that ends too early');
    end += 1 + length;
    if (length === 0) return end;
  }
}

/** What the sub-blocks that begin here hold, as far as they are there. */
function joinedBlocks(bytes: Uint8Array, at: number): Uint8Array {
  const blocks: Uint8Array[] = [];
  for (let from = at; bytes[from]; from += 1 + bytes[from]!) {
    blocks.push(bytes.subarray(from + 1, from + 1 + bytes[from]!));
  }
  return Buffer.concat(blocks);
}

function inBlocks(data: Uint8Array): Uint8Array {
  const blocks: Uint8Array[] = [];
  for (let at = 0; at < data.length; at += 255) {
    const block = data.subarray(at, at + 255);
    blocks.push(Uint8Array.of(block.length), block);
  }
  return Buffer.concat([...blocks, Uint8Array.of(0)]);
}

const mostCodes = 4096;

/**
 * Refuses data of which LZW makes fewer pixels: nsgif leaves black what is missing. Only the lengths of the table's
 * strings matter here.
 */
function requirePixels(wanted: number, data: Uint8Array, codeBits: number): void {
  if (codeBits < 1 || codeBits > 11) throw new Error(`codes of ${codeBits} bits`);
  const clear = 1 << codeBits;
  const lengths = new Uint32Array(mostCodes).fill(1, 0, clear);
  let next = clear + 2;
  let width = codeBits + 1;
  let previous: number | undefined;
  let pixels = 0;
  let buffer = 0;
  let bits = 0;
  for (let at = 0; pixels < wanted; ) {
    for (; bits < width && at < data.length; bits += 8) buffer |= data[at++]! << bits;
    if (bits < width) throw new Error('a file that ends too early');
    const code = buffer & ((1 << width) - 1);
    buffer >>>= width;
    bits -= width;
    if (code === clear) {
      [next, width, previous] = [clear + 2, codeBits + 1, undefined];
      continue;
    }
    if (code === clear + 1) throw new Error('a file that ends too early');
    if (code > next || (code === next && previous === undefined))
      throw new Error('a code that is not in its table');
    if (previous !== undefined && next < mostCodes) {
      lengths[next++] = lengths[previous]! + 1;
      if (next === 1 << width && width < 12) width++;
    }
    pixels += lengths[code]!;
    previous = code;
  }
}

/** A decoded picture on its screen, in the colour of what it leaves free. */
export function onScreen(
  decoded: Values<Uint8Array>,
  { screen, covers, elsewhere }: FirstFrame,
): Values<Uint8Array> {
  const rowBytes = screen.width * 3;
  const values = new Uint8Array(screen.height * rowBytes);
  for (let at = 0; at < rowBytes; at += 3) values.set(elsewhere, at);
  for (let row = 1; row < screen.height; row++) values.copyWithin(row * rowBytes, 0, rowBytes);
  const right = Math.min(covers.left + covers.width, decoded.width);
  const bottom = Math.min(covers.top + covers.height, decoded.height);
  for (let row = covers.top; row < bottom; row++) {
    const [from, to] = [(row * decoded.width + covers.left) * 3, (row * decoded.width + right) * 3];
    if (from < to) values.set(decoded.values.subarray(from, to), row * rowBytes + covers.left * 3);
  }
  return { values, ...screen };
}
