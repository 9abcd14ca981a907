import {
  closeSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BackendError } from '@kora-bench/core/errors';
import type { HostData } from '@kora-bench/core/graph';
import { ownIdentity, stateOf } from '@kora-bench/platform-node/process-identity';

/** Where the bytes of a frozen weight stand. */
export interface WeightPlace {
  /** In the weight file's folder. */
  readonly file: string;
  readonly offset: number;
  readonly length: number;
}

const file = 'weights.bin';
/** Sessions map whole pages. */
const pageBytes = 4096;
/** Smaller weights stand in the model itself. */
const leastBytes = 2 ** 16;

/**
 * The frozen weights of a backend's programs in one temporary file, each once. Sessions map it into their memory, so that
 * all programs and all replicas share one copy. The file is made when it is first needed, and is gone when the backend is disposed of or the process ends.
 */
export class WeightFile {
  #places = new WeakMap<object, WeightPlace>();
  #open: { readonly folder: string; readonly descriptor: number } | undefined;
  #size = 0;

  /** The folder that places are in; undefined while every weight stands in its model. */
  get folder(): string | undefined {
    return this.#open?.folder;
  }

  /**
   * Puts a weight into the file, unless it is there already.
   * @param data of the weight, which never changes: it is known again by its identity
   * @param bytes as ONNX stores them
   * @returns undefined for a weight that is too small to be worth it
   * @throws BackendError when the file cannot be written
   */
  place(data: HostData, bytes: Uint8Array): WeightPlace | undefined {
    if (bytes.length < leastBytes) return undefined;
    const known = this.#places.get(data);
    if (known !== undefined) return known;
    const offset = this.#size;
    try {
      this.#open ??= openFile();
      for (let at = 0; at < bytes.length; )
        at += writeSync(this.#open.descriptor, bytes, at, bytes.length - at, offset + at);
    } catch (cause) {
      throw new BackendError('The frozen weights cannot be written to a temporary file.', {
        where: this.#open?.folder ?? tmpdir(),
        received: (cause as Error).message,
        fix: 'Make room there, or set TMPDIR to a folder that has it.',
        cause,
      });
    }
    this.#size = Math.ceil((offset + bytes.length) / pageBytes) * pageBytes;
    const place = { file, offset, length: bytes.length };
    this.#places.set(data, place);
    return place;
  }

  /** Deletes the file. What is mapped stays so. */
  dispose(): void {
    if (this.#open === undefined) return;
    closeSync(this.#open.descriptor);
    remove(this.#open.folder);
    this.#open = undefined;
    this.#places = new WeakMap();
    this.#size = 0;
  }
}

const prefix = 'kora-bench-weights-';
const ownerFile = 'owner.json';
/** Folders of this process. */
const folders = new Set<string>();
let isFirst = true;

function openFile() {
  if (isFirst) {
    removeLeft();
    process.once('exit', () => folders.forEach(remove));
  }
  isFirst = false;
  const folder = mkdtempSync(join(tmpdir(), prefix));
  folders.add(folder);
  writeFileSync(join(folder, ownerFile), JSON.stringify(ownIdentity()));
  return { folder, descriptor: openSync(join(folder, file), 'wx') };
}

function remove(folder: string): void {
  folders.delete(folder);
  rmSync(folder, { recursive: true, force: true });
}

/** Deletes what processes left that were killed. */
function removeLeft(): void {
  for (const name of readdirSync(tmpdir()).filter((one) => one.startsWith(prefix))) {
    const folder = join(tmpdir(), name);
    if (isLeft(folder)) remove(folder);
  }
}

function isLeft(folder: string): boolean {
  try {
    return stateOf(JSON.parse(readFileSync(join(folder, ownerFile), 'utf8'))) === 'gone';
  } catch {
    // Its owner may be about to write its name, or is another user.
    return false;
  }
}
