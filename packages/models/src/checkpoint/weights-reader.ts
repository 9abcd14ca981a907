import { createHash } from 'node:crypto';
import { type FileHandle, open } from 'node:fs/promises';
import { CheckpointError, FormatError } from '@kora-bench/core/errors';
import { type HostTensor, sizeOf } from '@kora-bench/core/graph';
import {
  decodeSafetensor,
  parseSafetensorsHeader,
  type SafetensorsHeader,
  safetensorsHeaderEnd,
} from '@kora-bench/core/safetensors';
import { missingFile } from './checkpoint-files.js';
import type { TensorLayout } from './tensor-layout.js';

/** An open safetensors file: its header read and checked, its tensors not yet. */
export interface WeightsReader {
  readonly header: SafetensorsHeader;
  /**
   * Reads all tensors of `layout` in one pass, as float32.
   * @returns the tensors by the layout's names, and the SHA-256 (hex) of the whole file
   * @throws FormatError when the file is shorter than its header says
   * @throws CheckpointError when a tensor is not of a real type or holds a number that is not finite
   */
  read(layout: TensorLayout): Promise<{ tensors: Map<string, HostTensor>; sha256: string }>;
  close(): Promise<void>;
}

/**
 * Opens a safetensors file. Tensors are read one by one, so that at most one needs memory twice.
 * @param howToGet what to do when the file is not there
 * @throws MissingDataError when the file cannot be opened
 * @throws FormatError when its header is truncated or corrupt
 */
export async function openWeights(path: string, howToGet: string): Promise<WeightsReader> {
  const file = await open(path, 'r').catch((cause: unknown) => {
    throw missingFile(path, howToGet, cause);
  });
  try {
    const stat = await file.stat();
    if (!stat.isFile()) throw missingFile(path, howToGet, new Error('It is not a file.'));
    const start = await readAt(file, 0, Math.min(8, stat.size), path);
    const headerBytes = await readAt(file, 0, safetensorsHeaderEnd(start, stat.size, path), path);
    const header = parseSafetensorsHeader(headerBytes, stat.size, path);
    return {
      header,
      read: (layout) => readTensors({ file, path, headerBytes, header }, layout),
      close: () => file.close(),
    };
  } catch (error) {
    await file.close();
    throw error;
  }
}

interface OpenFile {
  readonly file: FileHandle;
  readonly path: string;
  readonly headerBytes: Uint8Array;
  readonly header: SafetensorsHeader;
}

async function readTensors(
  { file, path, headerBytes, header }: OpenFile,
  layout: TensorLayout,
): Promise<{ tensors: Map<string, HostTensor>; sha256: string }> {
  const users = new Map<string, { name: string; offset: number }>();
  const stacked = new Map<string, Float32Array>();
  for (const [name, { shape, parts }] of layout) {
    let offset = 0;
    for (const part of parts) {
      users.set(part, { name, offset });
      offset += sizeOf(header.tensors.get(part)!.shape);
    }
    if (parts.length > 1) stacked.set(name, new Float32Array(sizeOf(shape)));
  }
  // The header has been checked to leave no holes, so hashing it and the tensors in order hashes the file.
  const hash = createHash('sha256').update(headerBytes);
  const read = new Map<string, Float32Array>(stacked);
  for (const entry of header.tensors.values()) {
    const bytes = await readAt(file, entry.begin, entry.end - entry.begin, path);
    hash.update(bytes);
    const user = users.get(entry.name);
    if (user === undefined) continue;
    const values = realValues(decodeSafetensor(entry, bytes, path), `${path}, tensor "${entry.name}"`);
    const target = stacked.get(user.name);
    if (target === undefined) read.set(user.name, values);
    else target.set(values, user.offset);
  }
  const tensors = new Map<string, HostTensor>();
  for (const [name, { shape }] of layout) tensors.set(name, { dtype: 'f32', shape, data: read.get(name)! });
  return { tensors, sha256: hash.digest('hex') };
}

function realValues(tensor: HostTensor, where: string): Float32Array {
  const { data } = tensor;
  if (!(data instanceof Float32Array)) {
    throw new CheckpointError('A weight is not stored as real numbers.', {
      where,
      expected: 'F32, F16, BF16 or F64',
      received: tensor.dtype,
      fix: 'Use weights that are not quantised.',
    });
  }
  for (let i = 0; i < data.length; i++) {
    if (Number.isFinite(data[i])) continue;
    throw new CheckpointError('A weight is not a finite number.', {
      where: `${where}, element ${i}`,
      expected: 'finite numbers',
      received: String(data[i]),
      fix: 'Download the file again; if it stays so, the checkpoint itself is damaged.',
    });
  }
  return data;
}

/** Exactly `length` bytes from `position`, in memory of their own. */
async function readAt(file: FileHandle, position: number, length: number, path: string): Promise<Uint8Array> {
  const bytes = new Uint8Array(length);
  let done = 0;
  while (done < length) {
    const { bytesRead } = await file.read(bytes, done, length - done, position + done);
    if (bytesRead === 0) {
      throw new FormatError('The file ends before its last tensor.', {
        where: path,
        expected: `${position + length} bytes`,
        received: `${position + done} bytes`,
        fix: 'Download or copy the file again.',
      });
    }
    done += bytesRead;
  }
  return bytes;
}
