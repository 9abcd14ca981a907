import { createHash } from 'node:crypto';
import { closeSync, openSync, renameSync, rmSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { crc32 } from 'node:zlib';
import { FormatError } from '@kora-bench/core/errors';
import { makeFolder, temporaryPath } from '@kora-bench/platform-node/atomic-file';
import type { FeatureCost, FeatureStore, FeatureTable, FeatureWriter, TableShape } from '@kora-bench/trainer';
import { createMemoryTable, tableInMemory, tableMemory } from '@kora-bench/trainer';
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

export interface FileFeaturesOptions {
  /** Digests of the plugins that take part in computing the features: what other code computed is not found. */
  readonly code: readonly string[];
  /** Is given the reason when a table cannot be kept on disk; it goes on in memory. */
  readonly onProblem: (reason: string) => void;
}

/** Kept features in files that other cells find again; see `feature-file.ts` for their form. */
export function fileFeatures(cacheDir: string, { code, onProblem }: FileFeaturesOptions): FeatureStore {
  const named = (shape: TableShape): TableShape => ({ ...shape, key: [shape.key, ...code].join('\n') });
  return {
    open: (shape) => openTable(cacheDir, named(shape)),
    create: (shape) => createTable(cacheDir, named(shape), onProblem),
  };
}

/** Tables up to this size are kept in memory once read; larger ones are read row by row. */
const largestInMemory = 192 * 2 ** 20;

async function openTable(cacheDir: string, shape: TableShape): Promise<FeatureTable | undefined> {
  const stored = storedShape(shape);
  const path = tablePath(cacheDir, stored);
  try {
    if (rowBytes(stored) > largestInMemory) return openLargeTable(path, shape, stored);
    const file = await open(path, 'r');
    try {
      const memory = tableMemory(shape);
      const cost = await readFeatureRows(file, stored, memory);
      return cost && tableInMemory(memory, shape, cost);
    } finally {
      await file.close();
    }
  } catch {
    return undefined;
  }
}

function openLargeTable(path: string, shape: TableShape, stored: FeatureShape): FeatureTable | undefined {
  const file = openSync(path, 'r');
  const cost = verifyFeatureFile(file, stored);
  if (cost !== undefined) return onDisk(file, shape, cost);
  closeSync(file);
  return undefined;
}

/**
 * Starts a table on disk; other processes find it only when it is finished. Where the disk is full or
 * cannot be written, the table goes on in memory and `onProblem` is given the reason.
 */
function createTable(
  cacheDir: string,
  shape: TableShape,
  onProblem: (reason: string) => void,
): FeatureWriter {
  const stored = storedShape(shape);
  const path = tablePath(cacheDir, stored);
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
    finish(cost) {
      if (memory === undefined) {
        try {
          writeFully(file!, featureHeader(stored, cost, checksum), 0);
          renameSync(temporary, path);
        } catch (error) {
          goOnInMemory(error);
        }
      }
      if (memory !== undefined) return memory.finish(cost);
      const own = file!;
      file = undefined;
      if (rowBytes(stored) > largestInMemory) return onDisk(own, shape, cost);
      const rows = tableMemory(shape);
      readFully(own, new Uint8Array(rows.buffer, 0, rowBytes(stored)), headerBytes);
      closeSync(own);
      return tableInMemory(rows, shape, cost);
    },
    abandon: leaveDisk,
  };
}

/** The shape as a file names it: with a digest of the key. */
function storedShape({ key, rows, rowLength }: TableShape): FeatureShape {
  return { key: createHash('sha256').update(key).digest('hex').slice(0, 40), rows, rowLength };
}

function tablePath(cacheDir: string, { key }: FeatureShape): string {
  return join(cacheDir, 'features', key.slice(0, 2), `${key}.f32`);
}

function onDisk(file: number, { rowLength, batchSize }: TableShape, cost: FeatureCost): FeatureTable {
  const batch = new Float32Array(batchSize * rowLength);
  const bytes = new Uint8Array(batch.buffer);
  const size = 4 * rowLength;
  return {
    cost,
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
