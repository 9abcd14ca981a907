import { createHash } from 'node:crypto';
import { closeSync, openSync, renameSync, rmSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { crc32 } from 'node:zlib';
import { FormatError } from '@kora-bench/core';
import { makeFolder, temporaryPath } from '@kora-bench/platform-node/atomic-file';
import type { FeatureShape } from './feature-file.js';
import {
  featureHeader,
  headerBytes,
  readFeatureRows,
  readFully,
  rowBytes,
  verifyFeatureFile,
  writeFully,
} from './feature-file.js';

export type { FeatureShape } from './feature-file.js';

/** Float32 rows, one per example, of one kept value. */
export interface FeatureTable {
  /**
   * The rows `indices` as one batch `[batchSize, rowLength]`; a batch that is not full repeats its last row.
   * Its memory is used again by the next call.
   * @throws FormatError when the file behind the table became shorter since it was opened
   */
  gather(indices: ArrayLike<number>): Float32Array;
  close(): void;
}

/** What a table holds, and how many rows are asked for at a time. */
export interface TableShape extends FeatureShape {
  readonly batchSize: number;
}

/** Collects rows in order; they become a table only when all are there. */
export interface FeatureWriter {
  append(rows: Float32Array): void;
  finish(): FeatureTable;
  abandon(): void;
}

/** Tables up to this size are kept in memory once read; larger ones are read row by row. */
const largestInMemory = 192 * 2 ** 20;

/** A table that was completed before, or `undefined` if there is none that is whole and undamaged. */
export async function openFeatureTable(
  cacheDir: string,
  shape: TableShape,
): Promise<FeatureTable | undefined> {
  const path = tablePath(cacheDir, shape);
  try {
    if (rowBytes(shape) > largestInMemory) return openLargeTable(path, shape);
    const file = await open(path, 'r');
    try {
      const memory = tableMemory(shape);
      return (await readFeatureRows(file, shape, memory)) ? inMemory(memory, shape) : undefined;
    } finally {
      await file.close();
    }
  } catch {
    return undefined;
  }
}

function openLargeTable(path: string, shape: TableShape): FeatureTable | undefined {
  const file = openSync(path, 'r');
  if (verifyFeatureFile(file, shape)) return onDisk(file, shape);
  closeSync(file);
  return undefined;
}

/**
 * Starts a table on disk; other processes find it only when it is finished. Where the disk is full or
 * cannot be written, the table goes on in memory and `onProblem` hears why.
 */
export function createFeatureTable(
  cacheDir: string,
  shape: TableShape,
  onProblem: (reason: string) => void,
): FeatureWriter {
  const path = tablePath(cacheDir, shape);
  const temporary = temporaryPath(path);
  let memory: FeatureWriter | undefined;
  let file: number | undefined;
  let written = 0;
  let checksum = 0;

  const leaveDisk = () => {
    if (file !== undefined) closeSync(file);
    file = undefined;
    try {
      rmSync(temporary, { force: true });
    } catch {
      // What cannot be written cannot always be removed either, e.g. where a folder is a file.
    }
  };
  const goOnInMemory = (error: unknown): FeatureWriter => {
    onProblem(error instanceof Error ? error.message : String(error));
    const rescued = new Float32Array(written / 4);
    if (file !== undefined) readFully(file, new Uint8Array(rescued.buffer), headerBytes);
    leaveDisk();
    memory = createMemoryTable(shape);
    memory.append(rescued);
    return memory;
  };
  try {
    makeFolder(dirname(path));
    file = openSync(temporary, 'wx+');
  } catch (error) {
    goOnInMemory(error);
  }
  return {
    append(rows) {
      if (memory !== undefined) return memory.append(rows);
      const bytes = new Uint8Array(rows.buffer, rows.byteOffset, rows.byteLength);
      try {
        writeFully(file!, bytes, headerBytes + written);
        written += bytes.length;
        checksum = crc32(bytes, checksum);
      } catch (error) {
        goOnInMemory(error).append(rows);
      }
    },
    finish() {
      if (memory === undefined) {
        try {
          writeFully(file!, featureHeader(shape, checksum), 0);
          renameSync(temporary, path);
        } catch (error) {
          goOnInMemory(error);
        }
      }
      if (memory !== undefined) return memory.finish();
      const own = file!;
      file = undefined;
      if (rowBytes(shape) > largestInMemory) return onDisk(own, shape);
      const rows = tableMemory(shape);
      readFully(own, new Uint8Array(rows.buffer, 0, rowBytes(shape)), headerBytes);
      closeSync(own);
      return inMemory(rows, shape);
    },
    abandon: leaveDisk,
  };
}

/** A table that lives in memory alone, for values that no other cell can use. */
export function createMemoryTable(shape: TableShape): FeatureWriter {
  const data = tableMemory(shape);
  let filled = 0;
  return {
    append(values) {
      data.set(values, filled);
      filled += values.length;
    },
    finish: () => inMemory(data, shape),
    abandon: () => undefined,
  };
}

/** The name of a table: everything that its values are a function of. */
export function featureKey(parts: readonly string[]): string {
  return createHash('sha256').update(parts.join('\n')).digest('hex').slice(0, 40);
}

function tablePath(cacheDir: string, { key }: FeatureShape): string {
  return join(cacheDir, 'features', key.slice(0, 2), `${key}.f32`);
}

function onDisk(file: number, { rowLength, batchSize }: TableShape): FeatureTable {
  const batch = new Float32Array(batchSize * rowLength);
  const bytes = new Uint8Array(batch.buffer);
  const size = 4 * rowLength;
  return {
    gather(indices) {
      for (let i = 0; i < batchSize; i++) {
        const index = indices[Math.min(i, indices.length - 1)]!;
        if (readFully(file, bytes.subarray(i * size, (i + 1) * size), headerBytes + index * size)) continue;
        throw new FormatError('A file of kept features became shorter while it was read.', {
          where: 'features in the cache folder',
          expected: `row ${index} of ${size} bytes`,
          received: 'the end of the file',
          fix: 'Run the cell again, and let nothing else change the cache folder.',
        });
      }
      return batch;
    },
    close: () => closeSync(file),
  };
}

/** Room for all rows and, behind them, one batch: moving rows within one array makes no object per row. */
function tableMemory({ rows, rowLength, batchSize }: TableShape): Float32Array {
  return new Float32Array((rows + batchSize) * rowLength);
}

function inMemory(memory: Float32Array, { rows, rowLength, batchSize }: TableShape): FeatureTable {
  const batch = memory.subarray(rows * rowLength);
  return {
    gather(indices) {
      for (let i = 0; i < batchSize; i++) {
        const from = indices[Math.min(i, indices.length - 1)]! * rowLength;
        memory.copyWithin((rows + i) * rowLength, from, from + rowLength);
      }
      return batch;
    },
    close: () => undefined,
  };
}
