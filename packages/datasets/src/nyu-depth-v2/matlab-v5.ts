import { inflateSync } from 'node:zlib';
import { FormatError } from '@kora-bench/core/errors';

/*
 * The real matrices of a MATLAB file of version 5, which is not HDF5 ("MAT-File Level 5 File Format", The
 * MathWorks): a header of 128 bytes, then elements of a type, a size and data, each at a multiple of 8 bytes.
 */

const headerBytes = 128;
const compressedType = 15;
const matrixType = 14;
/** Array classes from double (6) to uint64 (15) are plain numbers. */
const numericClasses = { first: 6, last: 15 } as const;

interface Element {
  readonly type: number;
  readonly data: Buffer;
}

/** Reads a number of each type at an offset. */
const numberReaders: Readonly<
  Record<number, { readonly bytes: number; read(data: Buffer, at: number): number }>
> = {
  1: { bytes: 1, read: (data, at) => data.readInt8(at) },
  2: { bytes: 1, read: (data, at) => data.readUInt8(at) },
  3: { bytes: 2, read: (data, at) => data.readInt16LE(at) },
  4: { bytes: 2, read: (data, at) => data.readUInt16LE(at) },
  5: { bytes: 4, read: (data, at) => data.readInt32LE(at) },
  6: { bytes: 4, read: (data, at) => data.readUInt32LE(at) },
  7: { bytes: 4, read: (data, at) => data.readFloatLE(at) },
  9: { bytes: 8, read: (data, at) => data.readDoubleLE(at) },
  12: { bytes: 8, read: (data, at) => Number(data.readBigInt64LE(at)) },
  13: { bytes: 8, read: (data, at) => Number(data.readBigUInt64LE(at)) },
};

/**
 * The real matrices of numbers of a file, by name, column by column; others are left out.
 *
 * @throws FormatError when the file is not a whole MATLAB file of version 5, in little-endian order
 */
export function readMatlabV5(bytes: Buffer, location: string): ReadonlyMap<string, readonly number[]> {
  const fail = (received: string, cause?: unknown): FormatError =>
    new FormatError('This MATLAB file cannot be read.', {
      where: location,
      expected: 'a whole MATLAB file of version 5',
      received,
      fix: 'Download it again.',
      cause,
    });
  if (bytes.length < headerBytes || bytes.toString('latin1', 126, 128) !== 'IM') {
    throw fail(bytes.length < headerBytes ? `${bytes.length} bytes` : 'a file of another format');
  }
  try {
    const matrices = new Map<string, readonly number[]>();
    for (const { type, data } of elementsOf(bytes.subarray(headerBytes))) {
      const plain = type === compressedType ? elementsOf(inflateSync(data)) : [{ type, data }];
      for (const element of plain) {
        const matrix = element.type === matrixType ? numericMatrix(element.data) : undefined;
        if (matrix !== undefined) matrices.set(matrix.name, matrix.values);
      }
    }
    return matrices;
  } catch (cause) {
    throw fail(cause instanceof Error ? cause.message : String(cause), cause);
  }
}

function elementsOf(bytes: Buffer): Element[] {
  const elements: Element[] = [];
  let at = 0;
  while (at + 8 <= bytes.length) {
    const word = bytes.readUInt32LE(at);
    // A short element has its size in the upper half of the first word and its data in the second.
    const short = word >>> 16 > 0;
    const size = short ? word >>> 16 : bytes.readUInt32LE(at + 4);
    const type = short ? word & 0xffff : word;
    const start = at + (short ? 4 : 8);
    if (start + size > bytes.length || (short && size > 4)) {
      throw new Error(`an element of ${size} bytes where ${bytes.length - start} are left`);
    }
    elements.push({ type, data: bytes.subarray(start, start + size) });
    // Compressed elements are not padded.
    const padded = type === compressedType ? size : Math.ceil(size / 8) * 8;
    at = short ? at + 8 : start + padded;
  }
  return elements;
}

function numericMatrix(data: Buffer): { name: string; values: readonly number[] } | undefined {
  const [flags, , name, real] = elementsOf(data);
  const kind = flags?.data.readUInt8(0) ?? 0;
  if (kind < numericClasses.first || kind > numericClasses.last) return undefined;
  const reader = real === undefined ? undefined : numberReaders[real.type];
  if (name === undefined || real === undefined || reader === undefined) return undefined;
  const count = Math.floor(real.data.length / reader.bytes);
  const values = Array.from({ length: count }, (_, i) => reader.read(real.data, i * reader.bytes));
  return { name: name.data.toString('latin1'), values };
}
