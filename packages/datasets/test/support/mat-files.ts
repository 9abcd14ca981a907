import { writeFileSync } from 'node:fs';
import { deflateSync } from 'node:zlib';
import h5wasm, { ready } from 'h5wasm/node';

/** A data set of an HDF5 file; `false` leaves it out. */
export interface Hdf5Content {
  readonly data: Uint8Array | Float32Array;
  readonly shape: number[];
  readonly dtype: string;
  readonly chunks?: number[];
  readonly compression?: number;
}

/** Writes an HDF5 file as MATLAB 7.3 does, data sets at the top. */
export async function writeHdf5(
  path: string,
  datasets: Readonly<Record<string, Hdf5Content>>,
): Promise<void> {
  await ready;
  const file = new h5wasm.File(path, 'w');
  for (const [name, content] of Object.entries(datasets)) file.create_dataset({ name, ...content });
  file.close();
}

/** Bytes of a number, class of its array and type of its data. */
const storedAs = {
  double: { bytes: 8, arrayClass: 6, type: 9 },
  uint16: { bytes: 2, arrayClass: 11, type: 4 },
  int64: { bytes: 8, arrayClass: 14, type: 12 },
} as const;

/** A MATLAB file of version 5 with these columns of numbers, each stored as numbers of one type. */
export function writeMatlabV5(
  path: string,
  columns: Readonly<Record<string, readonly number[]>>,
  { compressed, as }: { readonly compressed: boolean; readonly as: keyof typeof storedAs },
): void {
  const header = Buffer.alloc(128, ' ');
  header.write('MATLAB 5.0 MAT-file');
  header.writeUInt16LE(0x0100, 124);
  header.write('IM', 126);
  const matrices = Object.entries(columns).map(([name, values]) => {
    const { bytes, arrayClass, type } = storedAs[as];
    const data = Buffer.alloc(values.length * bytes);
    values.forEach((value, i) => {
      if (as === 'double') data.writeDoubleLE(value, 8 * i);
      else if (as === 'int64') data.writeBigInt64LE(BigInt(value), 8 * i);
      else data.writeUInt16LE(value, 2 * i);
    });
    const flags = Buffer.alloc(8);
    flags.writeUInt8(arrayClass, 0);
    const dimensions = Buffer.alloc(8);
    dimensions.writeInt32LE(values.length, 0);
    dimensions.writeInt32LE(1, 4);
    const parts = [
      element(6, flags),
      element(5, dimensions),
      element(1, Buffer.from(name)),
      element(type, data),
    ];
    const matrix = element(14, Buffer.concat(parts));
    if (!compressed) return matrix;
    const packed = deflateSync(matrix);
    return Buffer.concat([tag(15, packed.length), packed]);
  });
  writeFileSync(path, Buffer.concat([header, ...matrices]));
}

function tag(type: number, size: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeUInt32LE(type, 0);
  bytes.writeUInt32LE(size, 4);
  return bytes;
}

/** Of up to four bytes in the short form, else padded to a multiple of eight. */
function element(type: number, data: Buffer): Buffer {
  if (data.length > 4) {
    return Buffer.concat([tag(type, data.length), data, Buffer.alloc((8 - (data.length % 8)) % 8)]);
  }
  const bytes = Buffer.alloc(8);
  bytes.writeUInt32LE((data.length << 16) | type, 0);
  data.copy(bytes, 4);
  return bytes;
}
