import { constants, crc32, deflateSync, inflateSync } from 'node:zlib';

/*
 * PNG files below their decoders (PNG specification, 3rd edition): what they will take in memory, and what can be had of
 * one that is cut short.
 */

const channelsOf: Readonly<Record<number, number>> = { 0: 1, 2: 3, 3: 1, 4: 2, 6: 4 };
const signatureBytes = 8;

interface PngFile {
  /** Bytes of every row of the pixels, inflated; undefined when the header makes no sense. */
  readonly rows: readonly number[] | undefined;
  /** The chunks before the pixels that these need, whole. */
  readonly before: readonly Uint8Array[];
  /** Deflated pixels, as far as they are there. */
  readonly data: Uint8Array;
}

function readPng(bytes: Uint8Array, mostPixels: number): PngFile {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const before: Uint8Array[] = [];
  const data: Uint8Array[] = [];
  let header: Uint8Array | undefined;
  for (let at = signatureBytes; at + 8 <= bytes.length; ) {
    const length = view.getUint32(at);
    const kind = String.fromCharCode(...bytes.subarray(at + 4, at + 8));
    const content = bytes.subarray(at + 8, Math.min(at + 8 + length, bytes.length));
    at += 12 + length;
    if (kind === 'IDAT') data.push(content);
    else if (kind === 'IEND') break;
    else if (data.length === 0 && content.length === length && ['IHDR', 'PLTE', 'tRNS'].includes(kind)) {
      before.push(chunk(kind, content));
      if (kind === 'IHDR') header = content;
    }
  }
  const rows = header?.length === 13 ? rowLengths(header, mostPixels) : undefined;
  return { rows, before, data: Buffer.concat(data) };
}

export interface MendedPng {
  /** A whole file. */
  readonly file: Uint8Array;
  /** Whether all rows were there; else the rest is black. */
  readonly isComplete: boolean;
}

/**
 * A file of the rows that are there, whatever is wrong with what follows, as Pillow reads them, with
 * `LOAD_TRUNCATED_IMAGES` where some are missing. libpng gives up on the whole last chunk.
 *
 * @param mostPixels beyond which nothing is made
 * @returns undefined when nothing can be made of the bytes
 */
export function mendPng(bytes: Uint8Array, mostPixels: number): MendedPng | undefined {
  const { rows, before, data } = readPng(bytes, mostPixels);
  const whole = rows?.reduce((sum, length) => sum + length, 0) ?? 0;
  if (rows === undefined || data.length === 0) {
    return undefined;
  }
  let raw: Uint8Array;
  try {
    raw = inflateSync(data, { finishFlush: constants.Z_SYNC_FLUSH, maxOutputLength: whole });
  } catch {
    return undefined;
  }
  const filled = new Uint8Array(whole);
  let there = 0;
  for (const length of rows) {
    if (there + length > raw.length) break;
    there += length;
  }
  filled.set(raw.subarray(0, there));
  const image = chunk('IDAT', deflateSync(filled, { level: 1 }));
  const end = chunk('IEND', new Uint8Array());
  const file = Buffer.concat([bytes.subarray(0, signatureBytes), ...before, image, end]);
  return { file, isComplete: there === whole };
}
/** What deflate can make of a byte at most. */
const mostExpansion = 1032;
const unchecked = 16 * 2 ** 20;

/**
 * Refuses a header of more pixels than the data behind it can become.
 *
 * @returns the data, and how long it is once inflated
 * @throws Error with the reason
 */
export function requireEnoughData(
  bytes: Uint8Array,
  mostPixels: number,
): { data: Uint8Array; whole: number } {
  const { rows, data } = readPng(bytes, mostPixels);
  if (rows === undefined) throw new Error(`a header of damaged fields, or of more than ${mostPixels} pixels`);
  const whole = rows.reduce((sum, length) => sum + length, 0);
  if (data.length * mostExpansion < whole) throw new Error('a file that ends too early');
  return { data, whole };
}

/**
 * Refuses what a decoder that trusts the file would fill the memory with: a header of too many pixels, or more data
 * than the pixels take.
 *
 * @throws Error with the reason
 */
export function requirePlausiblePng(bytes: Uint8Array, mostPixels: number): void {
  const { data, whole } = requireEnoughData(bytes, mostPixels);
  // What little data can become is no danger, and is not worth inflating it twice.
  if (data.length * mostExpansion <= Math.max(whole, unchecked)) return;
  try {
    inflateSync(data, { finishFlush: constants.Z_SYNC_FLUSH, maxOutputLength: whole });
  } catch (error) {
    const isLonger = (error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE';
    throw isLonger ? new Error('more data than its pixels take') : error;
  }
}

/** Of every row with its filter byte, pass by pass. */
function rowLengths(header: Uint8Array, mostPixels: number): readonly number[] | undefined {
  const view = new DataView(header.buffer, header.byteOffset, header.byteLength);
  const [width, height, depth, channels] = [
    view.getUint32(0),
    view.getUint32(4),
    header[8]!,
    channelsOf[header[9]!],
  ];
  if (channels === undefined || depth > 16 || width * height > mostPixels) return undefined;
  const rowOf = (pixels: number) => 1 + Math.ceil((pixels * depth * channels) / 8);
  if (header[12] !== 1) return new Array<number>(height).fill(rowOf(width));
  // Adam7: first row and column, then the steps between them.
  const passes = ['0088', '0488', '4084', '0244', '2042', '0122', '1021'].map((pass) =>
    [...pass].map(Number),
  );
  return passes.flatMap(([row, column, down, right]) => {
    const [inPass, across] = [Math.ceil((height - row!) / down!), Math.ceil((width - column!) / right!)];
    return inPass > 0 && across > 0 ? new Array<number>(inPass).fill(rowOf(across)) : [];
  });
}

function chunk(kind: string, content: Uint8Array): Uint8Array {
  const bytes = Buffer.alloc(12 + content.length);
  bytes.writeUInt32BE(content.length, 0);
  bytes.write(kind, 4, 'latin1');
  bytes.set(content, 8);
  bytes.writeUInt32BE(crc32(bytes.subarray(4, 8 + content.length)), 8 + content.length);
  return bytes;
}
