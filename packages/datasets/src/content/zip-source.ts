import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { promisify } from 'node:util';
import { crc32, inflateRaw } from 'node:zlib';
import { FormatError } from '@kora-bench/core/errors';
import {
  type ContentEntry,
  type ContentReader,
  type ContentSelection,
  type ContentSource,
  selectEntries,
} from './content-source.js';

const windowBytes = 2 ** 20;

/** Reads a file through a window of 1 MiB: many small reads close together cost one. */
class BufferedFile {
  readonly size: number;
  readonly #descriptor: number;
  readonly #window = Buffer.alloc(windowBytes);
  #start = 0;
  #length = 0;

  /** @throws a system error when the file cannot be opened. */
  constructor(path: string) {
    this.#descriptor = openSync(path, 'r');
    this.size = fstatSync(this.#descriptor).size;
  }

  /** Fills `target` from `position` on and returns the bytes read: fewer only at the end of the file. */
  read(target: Buffer, position: number): number {
    if (target.length > windowBytes) return readSync(this.#descriptor, target, 0, target.length, position);
    if (position < this.#start || position + target.length > this.#start + this.#length) {
      this.#start = position;
      this.#length = readSync(this.#descriptor, this.#window, 0, windowBytes, position);
    }
    const from = position - this.#start;
    return this.#window.copy(target, 0, from, Math.min(from + target.length, this.#length));
  }

  close(): void {
    closeSync(this.#descriptor);
  }
}

const storedMethod = 0;
const deflatedMethod = 8;
const localHeaderBytes = 30;
const localHeaderSignature = 0x04_03_4b_50;

interface ZipEntry extends ContentEntry {
  readonly compressedSize: number;
  readonly deflated: boolean;
  readonly crc: number;
  readonly offset: number;
}

type RandomAccessRead = import('yauzl').RandomAccessReader['read'];

const inflate = promisify(inflateRaw);

/**
 * The files of a zip archive, without unpacking it: the directory is read once, then each file on its
 * own. yauzl reads the directory (zip64 included); the data of an entry, which it offers as a stream
 * only, is read here, behind its local header (PKWARE APPNOTE 4.3.7).
 *
 * @throws FormatError when the file is not a whole zip archive, or does not hold the data set.
 */
export async function openZip(location: string, selection: ContentSelection): Promise<ContentSource> {
  const { root, entries } = selectEntries(location, await readDirectory(location), selection);
  return {
    location,
    root,
    entries,
    open: async () => new ZipReader(location, entries, await open(location)),
    checksums: async (which) => (which?.map((i) => entries[i]!) ?? entries).map(({ crc }) => crc),
  };
}

async function readDirectory(location: string): Promise<ZipEntry[]> {
  const { fromRandomAccessReaderPromise, RandomAccessReader } = await import('yauzl');
  // yauzl reads the directory in two small pieces an entry: of the file itself, that takes 5 s for the
  // 120,000 entries of Tiny ImageNet.
  class DirectoryReader extends RandomAccessReader {
    constructor(private readonly file: BufferedFile) {
      super();
    }
    override read(...[buffer, offset, length, position, callback]: Parameters<RandomAccessRead>): void {
      let bytesRead: number;
      try {
        bytesRead = this.file.read(buffer.subarray(offset, offset + length), position);
      } catch (error) {
        callback(error as Error, 0);
        return;
      }
      callback(null, bytesRead);
    }
  }
  try {
    const file = new BufferedFile(location);
    try {
      const options = { autoClose: false };
      const zip = await fromRandomAccessReaderPromise(new DirectoryReader(file), file.size, options);
      const entries: ZipEntry[] = [];
      for await (const entry of zip.eachEntry()) {
        // Folders, and what macOS adds to archives.
        if (entry.fileName.endsWith('/') || entry.fileName.startsWith('__MACOSX/')) continue;
        if (entry.isEncrypted() || ![storedMethod, deflatedMethod].includes(entry.compressionMethod)) {
          throw new Error(`${entry.fileName} is encrypted or compressed by an uncommon method`);
        }
        entries.push({
          path: entry.fileName,
          size: entry.uncompressedSize,
          compressedSize: entry.compressedSize,
          deflated: entry.compressionMethod === deflatedMethod,
          crc: entry.crc32,
          offset: entry.relativeOffsetOfLocalHeader,
        });
      }
      return entries;
    } finally {
      file.close();
    }
  } catch (cause) {
    throw new FormatError('This zip archive cannot be read.', {
      where: location,
      expected: 'a whole zip archive',
      received: cause instanceof Error ? cause.message : String(cause),
      fix: 'Download it again; an interrupted download leaves a truncated file.',
      cause,
    });
  }
}

class ZipReader implements ContentReader {
  constructor(
    private readonly location: string,
    private readonly entries: readonly ZipEntry[],
    private readonly file: FileHandle,
  ) {}

  async read(index: number): Promise<Uint8Array<ArrayBuffer>> {
    const entry = this.entries[index]!;
    const header = await this.#readAt(entry, entry.offset, localHeaderBytes);
    const view = new DataView(header.buffer);
    if (view.getUint32(0, true) !== localHeaderSignature) {
      throw this.#damaged(entry, 'no local header where the directory points');
    }
    const start = entry.offset + localHeaderBytes + view.getUint16(26, true) + view.getUint16(28, true);
    const stored = await this.#readAt(entry, start, entry.compressedSize);
    const bytes = entry.deflated ? await this.#inflate(entry, stored) : stored;
    if (bytes.length !== entry.size) {
      throw this.#damaged(entry, `${bytes.length} bytes instead of ${entry.size}`);
    }
    if (crc32(bytes) !== entry.crc) throw this.#damaged(entry, 'a wrong CRC-32');
    return bytes;
  }

  async close(): Promise<void> {
    await this.file.close();
  }

  async #readAt(entry: ZipEntry, position: number, length: number): Promise<Uint8Array<ArrayBuffer>> {
    const bytes = new Uint8Array(length);
    const { bytesRead } = await this.file.read(bytes, 0, length, position);
    if (bytesRead !== length) throw this.#damaged(entry, 'the archive ends before it');
    return bytes;
  }

  async #inflate(entry: ZipEntry, stored: Uint8Array): Promise<Uint8Array<ArrayBuffer>> {
    try {
      // A wrong size is reported above; the limit keeps a damaged entry from filling the memory.
      return new Uint8Array(await inflate(stored, { maxOutputLength: entry.size + 1 }));
    } catch (cause) {
      throw this.#damaged(entry, cause instanceof Error ? cause.message : String(cause));
    }
  }

  #damaged(entry: ZipEntry, received: string): FormatError {
    return new FormatError('A file in a zip archive is damaged.', {
      where: `${this.location}: ${entry.path}`,
      expected: `${entry.size} bytes with CRC-32 ${entry.crc.toString(16).padStart(8, '0')}`,
      received,
      fix: 'Download the archive again.',
    });
  }
}
