import { constants, crc32, deflateSync, inflateSync } from 'node:zlib';

/*
 * A PNG file that is cut short, mended so that libpng decodes it: the rows that are there, and black for the rest, as
 * Pillow with `LOAD_TRUNCATED_IMAGES`. libpng itself gives up on the whole last chunk. (PNG specification, 3rd edition.)
 */

const channelsOf: Readonly<Record<number, number>> = { 0: 1, 2: 3, 3: 1, 4: 2, 6: 4 };
const signatureBytes = 8;

/**
 * @param mostPixels beyond which nothing is made
 * @returns a whole file, or the bytes as they are when nothing can be made of them
 */
export function pngAsFarAsItGoes(bytes: Uint8Array, mostPixels: number): Uint8Array {
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
  if (header?.length !== 13 || data.length === 0) return bytes;
  const rows = rowLengths(header, mostPixels);
  if (rows === undefined) return bytes;
  const whole = rows.reduce((sum, length) => sum + length, 0);
  let raw: Uint8Array;
  try {
    raw = inflateSync(Buffer.concat(data), { finishFlush: constants.Z_SYNC_FLUSH, maxOutputLength: whole });
  } catch {
    return bytes;
  }
  const filled = new Uint8Array(whole);
  let there = 0;
  for (const length of rows) {
    if (there + length > raw.length) break;
    there += length;
  }
  filled.set(raw.subarray(0, there));
  const image = chunk('IDAT', deflateSync(filled, { level: 1 }));
  return Buffer.concat([
    bytes.subarray(0, signatureBytes),
    ...before,
    image,
    chunk('IEND', new Uint8Array()),
  ]);
}

/** Bytes of every row with its filter byte, pass by pass; undefined when the header makes no sense. */
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
