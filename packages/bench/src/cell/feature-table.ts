import { createHash } from 'node:crypto';
import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { dirname, join } from 'node:path';

/** Float32 rows, one per example, of one cached value. */
export interface FeatureTable {
  readonly rowLength: number;
  /** Copies row `index` into `target` at `offset` (in elements). */
  readRow(index: number, target: Float32Array, offset: number): void;
  close(): void;
}

/** Collects rows in order; they become a table only when all are there. */
export interface FeatureWriter {
  append(rows: Float32Array): void;
  finish(): FeatureTable;
  abandon(): void;
}

/** Tables up to this size are kept in memory once read; larger ones are read row by row. */
const largestInMemory = 192 * 2 ** 20;

/** A table that was completed before under `key`, or `undefined`. */
export function openFeatureTable(
  cacheDir: string,
  key: string,
  rows: number,
  rowLength: number,
): FeatureTable | undefined {
  const path = tablePath(cacheDir, key);
  if (!existsSync(path) || statSync(path).size !== 4 * rows * rowLength) return undefined;
  return fromFile(path, rows, rowLength);
}

/** Starts a table on disk; it appears under `key` only when finished. */
export function createFeatureTable(
  cacheDir: string,
  key: string,
  rows: number,
  rowLength: number,
): FeatureWriter {
  const path = tablePath(cacheDir, key);
  const temporary = `${path}.${process.pid}.tmp`;
  mkdirSync(dirname(path), { recursive: true });
  const file = openSync(temporary, 'w');
  let open = true;
  const close = () => {
    if (open) closeSync(file);
    open = false;
  };
  return {
    append(values) {
      writeSync(file, Buffer.from(values.buffer, values.byteOffset, values.byteLength));
    },
    finish() {
      fsyncSync(file);
      close();
      renameSync(temporary, path);
      return fromFile(path, rows, rowLength);
    },
    abandon() {
      close();
      rmSync(temporary, { force: true });
    },
  };
}

/** A table that lives in memory alone, for values that no other cell can use. */
export function createMemoryTable(rows: number, rowLength: number): FeatureWriter {
  const data = new Float32Array(rows * rowLength);
  let filled = 0;
  return {
    append(values) {
      data.set(values, filled);
      filled += values.length;
    },
    finish: () => inMemory(data, rowLength),
    abandon: () => undefined,
  };
}

/** The name of a table: everything that its values are a function of. */
export function featureKey(parts: readonly string[]): string {
  return createHash('sha256').update(parts.join('\n')).digest('hex').slice(0, 40);
}

function tablePath(cacheDir: string, key: string): string {
  return join(cacheDir, 'features', key.slice(0, 2), `${key}.f32`);
}

function fromFile(path: string, rows: number, rowLength: number): FeatureTable {
  if (4 * rows * rowLength <= largestInMemory) {
    const bytes = readFileSync(path);
    return inMemory(
      new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength)),
      rowLength,
    );
  }
  const file = openSync(path, 'r');
  return {
    rowLength,
    readRow(index, target, offset) {
      const into = new Uint8Array(target.buffer, target.byteOffset + 4 * offset, 4 * rowLength);
      readSync(file, into, 0, into.length, 4 * rowLength * index);
    },
    close: () => closeSync(file),
  };
}

function inMemory(data: Float32Array, rowLength: number): FeatureTable {
  return {
    rowLength,
    readRow: (index, target, offset) =>
      target.set(data.subarray(index * rowLength, (index + 1) * rowLength), offset),
    close: () => undefined,
  };
}
