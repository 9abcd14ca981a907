import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { type FileHandle, open, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { makeFolder, writeFileAtomic } from '@kora-bench/platform-node/atomic-file';
import type { PackedLayout } from '../decode/packed-example.js';
import { type PixelGeometry, pixelGeometry } from '../preprocess/pixel-geometry.js';
import { warnOnce } from './warn-once.js';

/** Of a slot: magic, CRC-32, index, bytes of the example (4 bytes each, little-endian), 16 bytes of the key. */
const headerBytes = 32;
const checkedFrom = 8;
const magic = 0x31_58_50_4b;
const slotsPerChunk = 1024;
/** Space left to the user on the cache's disk. */
const reservedBytes = 512 * 2 ** 20;
const checkSpaceEveryBytes = 64 * 2 ** 20;

/** Raised by the version of anything that changes the pixels of the same file and geometry. */
const cacheFormat = 'kora-pixels 2';
/** The same for targets per pixel and for how they lie beside the pixels. */
const targetFormat = 'depth float32, mask int16, pixels; nearest 1';

/**
 * Decoded and resized images on disk, with their targets per pixel, for one split at one geometry.
 *
 * Example i has a fixed slot in a sparse file of 1024 slots, behind a header with a checksum over key,
 * index and bytes. So examples can come in any order and from several processes at once (they write
 * equal bytes), a killed process loses at most the slots it was writing, and a torn, damaged or foreign
 * slot reads as "not there" and is written again. Nothing is kept in memory.
 *
 * A cache that cannot be written (full or read-only disk) gives one warning and stays silent after.
 */
export class PixelCache {
  readonly #chunks = new Map<number, Promise<FileHandle | undefined>>();
  #writable = true;
  #unchecked = checkSpaceEveryBytes;

  private constructor(
    private readonly folder: string,
    private readonly key: Buffer,
    private readonly exampleBytes: number,
  ) {}

  /**
   * Opens the cache of a split, or prepares an empty one.
   *
   * @param fingerprint of the split: whatever determines its stored images and targets.
   */
  static async open(
    cacheDir: string,
    fingerprint: string,
    geometry: PixelGeometry,
    layout: PackedLayout,
  ): Promise<PixelCache> {
    const { imageSize, ...resizing } = pixelGeometry(geometry);
    const [height, width] = imageSize;
    // Splits without targets per pixel keep the keys, and so the caches, that they had before there were any.
    const { mask, depth } = layout;
    const targets = mask || depth ? { targets: targetFormat, mask, depth } : {};
    const description = {
      format: cacheFormat,
      fingerprint,
      height,
      width,
      ...resizing,
      ...targets,
    };
    const key = createHash('sha256').update(JSON.stringify(description)).digest();
    const folder = join(cacheDir, 'pixels', key.toString('hex').slice(0, 24));
    const cache = new PixelCache(folder, key.subarray(0, 16), layout.bytes);
    try {
      makeFolder(folder);
      await writeFileAtomic(join(folder, 'about.json'), `${JSON.stringify(description, null, 2)}\n`);
    } catch (error) {
      cache.#giveUpWriting(error);
    }
    return cache;
  }

  /** Reads one packed example into `target`; false when it is not (validly) there. */
  async readInto(index: number, target: Uint8Array): Promise<boolean> {
    const chunk = await this.#chunk(index, false);
    if (chunk === undefined) return false;
    const header = Buffer.alloc(headerBytes);
    try {
      const { bytesRead } = await chunk.readv([header, target], this.#position(index));
      if (bytesRead !== headerBytes + this.exampleBytes) return false;
    } catch {
      return false;
    }
    return header.equals(this.#header(index, target));
  }

  /** Stores one packed example. Never throws: a cache that cannot be written is no cache. */
  async write(index: number, packed: Uint8Array): Promise<void> {
    if (!this.#writable) return;
    try {
      await this.#checkSpace();
      const chunk = await this.#chunk(index, true);
      if (chunk === undefined || !this.#writable) return;
      const slot = [this.#header(index, packed), packed];
      const { bytesWritten } = await chunk.writev(slot, this.#position(index));
      if (bytesWritten !== headerBytes + this.exampleBytes) throw new Error('the disk is full');
    } catch (error) {
      this.#giveUpWriting(error);
    }
  }

  async close(): Promise<void> {
    const chunks = [...this.#chunks.values()];
    this.#chunks.clear();
    for (const chunk of chunks) await (await chunk)?.close();
  }

  #position(index: number): number {
    return (index % slotsPerChunk) * (headerBytes + this.exampleBytes);
  }

  #header(index: number, packed: Uint8Array): Buffer {
    const header = Buffer.alloc(headerBytes);
    header.writeUInt32LE(magic, 0);
    header.writeUInt32LE(index, 8);
    header.writeUInt32LE(this.exampleBytes, 12);
    this.key.copy(header, 16);
    header.writeUInt32LE(crc32(packed, crc32(header.subarray(checkedFrom))), 4);
    return header;
  }

  #chunk(index: number, create: boolean): Promise<FileHandle | undefined> {
    const number = Math.floor(index / slotsPerChunk);
    const known = this.#chunks.get(number);
    if (known !== undefined) {
      if (!create) return known;
      // A chunk that was not there when read may have to be made now.
      const made = known.then((handle) => handle ?? this.#openChunk(number, true));
      this.#chunks.set(number, made);
      return made;
    }
    const opened = this.#openChunk(number, create);
    this.#chunks.set(number, opened);
    return opened;
  }

  async #openChunk(number: number, create: boolean): Promise<FileHandle | undefined> {
    const path = join(this.folder, `${String(number).padStart(5, '0')}.slots`);
    try {
      return await open(path, create ? constants.O_RDWR | constants.O_CREAT : constants.O_RDWR);
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code;
      if (!create && (code === 'ENOENT' || code === 'ENOTDIR')) return undefined;
      this.#giveUpWriting(error);
    }
    try {
      return await open(path, constants.O_RDONLY);
    } catch {
      return undefined;
    }
  }

  async #checkSpace(): Promise<void> {
    this.#unchecked += headerBytes + this.exampleBytes;
    if (this.#unchecked < checkSpaceEveryBytes) return;
    this.#unchecked = 0;
    const { bavail, bsize } = await statfs(this.folder);
    if (bavail * bsize < reservedBytes) {
      throw new Error(`only ${Math.floor((bavail * bsize) / 2 ** 20)} MiB are free on its disk`);
    }
  }

  #giveUpWriting(error: unknown): void {
    this.#writable = false;
    const reason = error instanceof Error ? error.message : String(error);
    warnOnce(
      'pixel-cache',
      `Decoded images cannot be cached in ${this.folder}: ${reason}. ` +
        'The run goes on without; to be faster, free space or choose another cache folder.',
    );
  }
}
