import { createHash } from 'node:crypto';
import { type FileHandle, open } from 'node:fs/promises';
import { basename } from 'node:path';
import { CheckpointError, FormatError } from '@kora-bench/core/errors';
import { type HostTensor, hostTensor, type Shape, sizeOf } from '@kora-bench/core/graph';
import {
  decodeSafetensor,
  parseSafetensorsHeader,
  type SafetensorsDType,
  type SafetensorsHeader,
  safetensorsHeaderEnd,
} from '@kora-bench/core/safetensors';
import { missingFile } from './checkpoint-files.js';
import type { Piece, StoredTensor, TensorLayout } from './tensor-layout.js';
import { unsupported } from './unsupported-features.js';
import type { WeightsFiles } from './weights-files.js';

/** Open safetensors files: their headers read and checked, their tensors not yet. */
export interface WeightsReader {
  readonly shapes: ReadonlyMap<string, Shape>;
  /** @throws CheckpointError naming a tensor of `layout` that is not stored as real numbers */
  checkTypes(layout: TensorLayout): void;
  /**
   * Reads all tensors of `layout` in one pass, as float32.
   * @returns the tensors by the layout's names, and the SHA-256 (hex) of the whole file, or of all files one after the
   *   other
   * @throws FormatError when a file is shorter than its header says
   * @throws CheckpointError when a tensor holds a number that is not finite
   */
  read(layout: TensorLayout): Promise<{ tensors: Map<string, HostTensor>; sha256: string }>;
  close(): Promise<void>;
}

/**
 * Opens the weights. Tensors are read one by one, so that at most one needs memory twice.
 * @param howToGet what to do when a file is not there
 * @throws MissingDataError when a file cannot be opened
 * @throws FormatError when a header is truncated or corrupt
 * @throws CheckpointError when several files do not hold what their index says
 */
export async function openWeights({ paths, index }: WeightsFiles, howToGet: string): Promise<WeightsReader> {
  const opened: OpenFile[] = [];
  const close = async () => {
    for (const { file } of opened) await file.close();
  };
  try {
    for (const path of paths) opened.push(await openFile(path, howToGet));
    const places = new Map<string, OpenFile>();
    for (const each of opened) {
      for (const name of each.header.tensors.keys()) {
        const other = places.get(name);
        if (other !== undefined) throw storedTwice(name, other.path, each.path);
        places.set(name, each);
      }
    }
    for (const [name, file] of index?.files ?? [])
      if (basename(places.get(name)?.path ?? '') !== file) throw notInShard(name, file, index!.path);
    const shapes = new Map([...places].map(([name, { header }]) => [name, header.tensors.get(name)!.shape]));
    return {
      shapes,
      checkTypes: (layout) => checkTypes(places, layout),
      read: (layout) => readTensors(opened, shapes, layout),
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

interface OpenFile {
  readonly file: FileHandle;
  readonly path: string;
  readonly headerBytes: Uint8Array;
  readonly header: SafetensorsHeader;
}

async function openFile(path: string, howToGet: string): Promise<OpenFile> {
  const file = await open(path, 'r').catch((cause: unknown) => {
    throw missingFile(path, howToGet, cause);
  });
  try {
    const stat = await file.stat();
    if (!stat.isFile()) throw missingFile(path, howToGet, new Error('It is not a file.'));
    const start = await readAt(file, 0, Math.min(8, stat.size), path);
    const headerBytes = await readAt(file, 0, safetensorsHeaderEnd(start, stat.size, path), path);
    return { file, path, headerBytes, header: parseSafetensorsHeader(headerBytes, stat.size, path) };
  } catch (error) {
    await file.close();
    throw error;
  }
}

function storedTwice(name: string, one: string, other: string): CheckpointError {
  return new CheckpointError('A tensor is in two parts of the weights.', {
    where: `${other}, tensor "${name}"`,
    expected: 'every tensor in one file',
    received: `the same name in ${basename(one)}`,
    fix: 'Use the parts of one model, as the library wrote them.',
  });
}

function notInShard(name: string, file: string, index: string): CheckpointError {
  return new CheckpointError('A part of the weights does not hold what their index says.', {
    where: `${index}: weight_map`,
    expected: `${name} in ${file}`,
    received: `no such tensor in ${file}`,
    fix: 'Use the index and the parts of one model, as the library wrote them.',
  });
}

type Shapes = ReadonlyMap<string, Shape>;

async function readTensors(
  files: readonly OpenFile[],
  shapes: Shapes,
  layout: TensorLayout,
): Promise<{ tensors: Map<string, HostTensor>; sha256: string }> {
  const users = new Map<string, { readonly name: string; readonly piece: Piece }[]>();
  const read = new Map<string, HostTensor>();
  for (const [name, stored] of layout) {
    for (const piece of stored.pieces) {
      const others = users.get(piece.stored);
      if (others === undefined) users.set(piece.stored, [{ name, piece }]);
      else others.push({ name, piece });
    }
    // A tensor that is stored whole gets the memory that it was read into.
    if (!isWhole(stored, shapes))
      read.set(name, hostTensor(stored.shape, new Float32Array(sizeOf(stored.shape))));
  }
  const hash = createHash('sha256');
  for (const { file, path, header, headerBytes } of files) {
    // The header has been checked to leave no holes, so hashing it and the tensors in order hashes the file.
    hash.update(headerBytes);
    for (const entry of header.tensors.values()) {
      const bytes = await readAt(file, entry.begin, entry.end - entry.begin, path);
      hash.update(bytes);
      const used = users.get(entry.name);
      if (used === undefined) continue;
      const values = realValues(decodeSafetensor(entry, bytes, path), `${path}, tensor "${entry.name}"`);
      for (const { name, piece } of used) {
        const target = read.get(name);
        if (target === undefined) read.set(name, hostTensor(layout.get(name)!.shape, values));
        else
          addTo(
            target.data as Float32Array,
            values.subarray(piece.from, piece.from + piece.length),
            piece.to,
          );
      }
    }
  }
  const tensors = new Map([...layout.keys()].map((name) => [name, read.get(name)!]));
  return { tensors, sha256: hash.digest('hex') };
}

/** Whether a tensor is one stored tensor as it is. */
function isWhole({ shape, pieces }: StoredTensor, shapes: Shapes): boolean {
  const [piece, ...more] = pieces;
  return (
    more.length === 0 && piece?.length === sizeOf(shape) && piece.length === sizeOf(shapes.get(piece.stored)!)
  );
}

function addTo(target: Float32Array, values: Float32Array, at: number): void {
  for (let i = 0; i < values.length; i++) target[at + i]! += values[i]!;
}

const realTypes: readonly SafetensorsDType[] = ['F32', 'F16', 'BF16', 'F64'];

function checkTypes(places: ReadonlyMap<string, OpenFile>, layout: TensorLayout): void {
  for (const { pieces } of layout.values()) {
    for (const { stored } of pieces) {
      const { path, header } = places.get(stored)!;
      const { dtype } = header.tensors.get(stored)!;
      if (realTypes.includes(dtype)) continue;
      throw unsupported('weights that are not stored as real numbers', {
        where: `${path}, tensor "${stored}"`,
        expected: realTypes.join(', '),
        received: dtype,
        fix: 'Use weights that are not quantised, or load them in PyTorch and save them as float32.',
      });
    }
  }
}

function realValues(tensor: HostTensor, where: string): Float32Array {
  const data = tensor.data as Float32Array;
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
