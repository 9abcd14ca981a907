import { fstatSync, readSync, writeSync } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { crc32 } from 'node:zlib';
import type { FeatureCost } from '@kora-bench/trainer';

/*
 * A feature file: a header of 64 bytes, then the rows as little-endian float32.
 *
 *      0  "KORAFEAT"                    16  rows, uint32
 *      8  version, uint32               20  elements per row, uint32
 *     12  CRC-32, uint32                24  key, 20 bytes; zeros up to 48
 *
 *     48  what the pass cost that computed the rows: seconds, float64
 *     56  images, uint32; zeros up to 64
 *
 * The CRC-32 is of the rows and then of the bytes from 48 to 64. It stands in for a flush to disk: a file that
 * a crash left incomplete reads as invalid.
 */

/** What a feature file must hold to be the one that is looked for. */
export interface FeatureShape {
  /** 40 hexadecimal digits that name everything the values are a function of. */
  readonly key: string;
  readonly rows: number;
  /** Float32 elements per row. */
  readonly rowLength: number;
}

/** Where the rows begin. */
export const headerBytes = 64;

const version = 2;
const costAt = 48;
const portion = 4 * 2 ** 20;

/** Size of all rows in bytes. */
export function rowBytes({ rows, rowLength }: FeatureShape): number {
  return 4 * rows * rowLength;
}

/** The header of a file whose rows have the CRC-32 `rowsChecksum`. */
export function featureHeader(shape: FeatureShape, cost: FeatureCost, rowsChecksum: number): Buffer {
  return headerWith(shape, cost, crc32(costBytes(cost), rowsChecksum));
}

function headerWith({ key, rows, rowLength }: FeatureShape, cost: FeatureCost, checksum: number): Buffer {
  const header = Buffer.alloc(headerBytes);
  header.write('KORAFEAT', 0, 'latin1');
  header.writeUInt32LE(version, 8);
  header.writeUInt32LE(checksum, 12);
  header.writeUInt32LE(rows, 16);
  header.writeUInt32LE(rowLength, 20);
  header.write(key, 24, 20, 'hex');
  header.set(costBytes(cost), costAt);
  return header;
}

function costBytes({ seconds, images }: FeatureCost): Buffer {
  const bytes = Buffer.alloc(headerBytes - costAt);
  bytes.writeDoubleLE(seconds, 0);
  bytes.writeUInt32LE(images, 8);
  return bytes;
}

/** Reads exactly `target.length` bytes; false where the file ends before. A single call may read fewer. */
export function readFully(file: number, target: Uint8Array, position: number): boolean {
  for (let done = 0; done < target.length; ) {
    const count = readSync(file, target, done, target.length - done, position + done);
    if (count === 0) return false;
    done += count;
  }
  return true;
}

/** Writes all of `bytes`; a single call may write fewer. */
export function writeFully(file: number, bytes: Uint8Array, position: number): void {
  for (let done = 0; done < bytes.length; )
    done += writeSync(file, bytes, done, bytes.length - done, position + done);
}

/**
 * Reads the rows of a file to the beginning of `target`. Many files are read side by side, while the caller
 * goes on.
 * @returns what they cost; `undefined` if it is not a whole, undamaged file of this shape
 */
export async function readFeatureRows(
  file: FileHandle,
  shape: FeatureShape,
  target: Float32Array,
): Promise<FeatureCost | undefined> {
  const header = readHeader(file.fd, shape);
  if (header === undefined) return undefined;
  const bytes = new Uint8Array(target.buffer, target.byteOffset, rowBytes(shape));
  for (let done = 0; done < bytes.length; ) {
    const { bytesRead } = await file.read(bytes, done, bytes.length - done, headerBytes + done);
    if (bytesRead === 0) return undefined;
    done += bytesRead;
  }
  return costIn(header, crc32(bytes));
}

/**
 * Reads all of a file in portions.
 * @returns what its rows cost; `undefined` if it is not a whole, undamaged file of this shape
 */
export function verifyFeatureFile(file: number, shape: FeatureShape): FeatureCost | undefined {
  const header = readHeader(file, shape);
  if (header === undefined) return undefined;
  const buffer = new Uint8Array(portion);
  let found = 0;
  for (let at = 0; at < rowBytes(shape); at += portion) {
    const part = buffer.subarray(0, Math.min(portion, rowBytes(shape) - at));
    if (!readFully(file, part, headerBytes + at)) return undefined;
    found = crc32(part, found);
  }
  return costIn(header, found);
}

interface Header {
  readonly checksum: number;
  readonly cost: FeatureCost;
}

/** What the header says, before any row is read; `undefined` if the file cannot be one of this shape. */
function readHeader(file: number, shape: FeatureShape): Header | undefined {
  if (fstatSync(file).size !== headerBytes + rowBytes(shape)) return undefined;
  const header = Buffer.alloc(headerBytes);
  if (!readFully(file, header, 0)) return undefined;
  const checksum = header.readUInt32LE(12);
  const cost = { seconds: header.readDoubleLE(costAt), images: header.readUInt32LE(costAt + 8) };
  return header.equals(headerWith(shape, cost, checksum)) ? { checksum, cost } : undefined;
}

/** The cost in a header, where its checksum is that of the rows and of the cost itself. */
function costIn({ checksum, cost }: Header, rowsChecksum: number): FeatureCost | undefined {
  return crc32(costBytes(cost), rowsChecksum) === checksum ? cost : undefined;
}
