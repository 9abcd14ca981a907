import { fstatSync, readSync, writeSync } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { crc32 } from 'node:zlib';

/*
 * A feature file: a header of 64 bytes, then the rows as little-endian float32.
 *
 *      0  "KORAFEAT"                    16  rows, uint32
 *      8  version, uint32               20  elements per row, uint32
 *     12  CRC-32 of the rows, uint32    24  key, 20 bytes; zeros up to 64
 *
 * The checksum stands in for a flush to disk: a file that a crash left incomplete reads as invalid.
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

const version = 1;
const portion = 4 * 2 ** 20;

/** Size of all rows in bytes. */
export function rowBytes({ rows, rowLength }: FeatureShape): number {
  return 4 * rows * rowLength;
}

/** The header of a file whose rows have the CRC-32 `checksum`. */
export function featureHeader({ key, rows, rowLength }: FeatureShape, checksum: number): Buffer {
  const header = Buffer.alloc(headerBytes);
  header.write('KORAFEAT', 0, 'latin1');
  header.writeUInt32LE(version, 8);
  header.writeUInt32LE(checksum, 12);
  header.writeUInt32LE(rows, 16);
  header.writeUInt32LE(rowLength, 20);
  header.write(key, 24, 20, 'hex');
  return header;
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
 * Reads the rows of a file to the beginning of `target`; false if it is not a whole, undamaged file of this
 * shape. Many files are read side by side, while the caller goes on.
 */
export async function readFeatureRows(
  file: FileHandle,
  shape: FeatureShape,
  target: Float32Array,
): Promise<boolean> {
  const checksum = headerChecksum(file.fd, shape);
  if (checksum === undefined) return false;
  const bytes = new Uint8Array(target.buffer, target.byteOffset, rowBytes(shape));
  for (let done = 0; done < bytes.length; ) {
    const { bytesRead } = await file.read(bytes, done, bytes.length - done, headerBytes + done);
    if (bytesRead === 0) return false;
    done += bytesRead;
  }
  return crc32(bytes) === checksum;
}

/** Whether a file is whole and undamaged, read in portions. */
export function verifyFeatureFile(file: number, shape: FeatureShape): boolean {
  const checksum = headerChecksum(file, shape);
  if (checksum === undefined) return false;
  const buffer = new Uint8Array(portion);
  let found = 0;
  for (let at = 0; at < rowBytes(shape); at += portion) {
    const part = buffer.subarray(0, Math.min(portion, rowBytes(shape) - at));
    if (!readFully(file, part, headerBytes + at)) return false;
    found = crc32(part, found);
  }
  return found === checksum;
}

function headerChecksum(file: number, shape: FeatureShape): number | undefined {
  if (fstatSync(file).size !== headerBytes + rowBytes(shape)) return undefined;
  const header = Buffer.alloc(headerBytes);
  if (!readFully(file, header, 0)) return undefined;
  const checksum = header.readUInt32LE(12);
  return header.equals(featureHeader(shape, checksum)) ? checksum : undefined;
}
