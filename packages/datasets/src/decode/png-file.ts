import { constants, crc32, deflateSync, inflateSync } from 'node:zlib';

/*
 * PNG files below their decoders (PNG specification, 3rd edition): what they will take in memory, and what can be had of
 * one that is cut short.
 */

const channelsOf: Readonly<Record<number, number>> = { 0: 1, 2: 3, 3: 1, 4: 2, 6: 4 };
const signatureBytes = 8;

/** Rows of one length, each with its filter byte: all of an image, or those of one pass of an interlaced one. */
interface Pass {
  readonly rows: number;
  readonly rowBytes: number;
}

const bytesOf = (passes: readonly Pass[]) =>
  passes.reduce((sum, { rows, rowBytes }) => sum + rows * rowBytes, 0);

interface PngFile {
  /** How the pixels lie, inflated; undefined when the header makes no sense. */
  readonly passes: readonly Pass[] | undefined;
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
  const passes = header?.length === 13 ? passesOf(header, mostPixels) : undefined;
  return { passes, before, data: Buffer.concat(data) };
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
 * @param limits `mostPixels`: pixels beyond which nothing is made; `leastPart`: the share of the data that must be there
 * @returns undefined when nothing can be made of the bytes
 */
export function mendPng(
  bytes: Uint8Array,
  { mostPixels, leastPart }: { readonly mostPixels: number; readonly leastPart: number },
): MendedPng | undefined {
  const { passes, before, data } = readPng(bytes, mostPixels);
  if (passes === undefined || data.length === 0) return undefined;
  const whole = bytesOf(passes);
  let raw: Uint8Array;
  try {
    raw = inflateSync(data, { finishFlush: constants.Z_SYNC_FLUSH, maxOutputLength: whole });
  } catch {
    return undefined;
  }
  if (raw.length < whole * leastPart) return undefined;
  const filled = new Uint8Array(whole);
  let there = 0;
  for (const { rows, rowBytes } of passes) {
    there += Math.min(rows, Math.floor((raw.length - there) / rowBytes)) * rowBytes;
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
  const { passes, data } = readPng(bytes, mostPixels);
  if (passes === undefined)
    throw new Error(`a header of damaged fields, or of more than ${mostPixels} pixels`);
  const whole = bytesOf(passes);
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

function passesOf(header: Uint8Array, mostPixels: number): readonly Pass[] | undefined {
  const view = new DataView(header.buffer, header.byteOffset, header.byteLength);
  const [width, height] = [view.getUint32(0), view.getUint32(4)];
  const [depth, channels] = [header[8]!, channelsOf[header[9]!]];
  if (channels === undefined || depth > 16 || width * height > mostPixels || width * height < 1)
    return undefined;
  const pass = (rows: number, columns: number): Pass => ({
    rows,
    rowBytes: 1 + Math.ceil((columns * depth * channels) / 8),
  });
  if (header[12] !== 1) return [pass(height, width)];
  // Adam7: first row and column of each pass, then the steps between them.
  return ['0088', '0488', '4084', '0244', '2042', '0122', '1021']
    .map((steps) => [...steps].map(Number) as [number, number, number, number])
    .filter(([row, column]) => row < height && column < width)
    .map(([row, column, down, right]) =>
      pass(Math.ceil((height - row) / down), Math.ceil((width - column) / right)),
    );
}

function chunk(kind: string, content: Uint8Array): Uint8Array {
  const bytes = Buffer.alloc(12 + content.length);
  bytes.writeUInt32BE(content.length, 0);
  bytes.write(kind, 4, 'latin1');
  bytes.set(content, 8);
  bytes.writeUInt32BE(crc32(bytes.subarray(4, 8 + content.length)), 8 + content.length);
  return bytes;
}
