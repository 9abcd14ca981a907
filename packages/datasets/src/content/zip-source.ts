import { type FileHandle, open, stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { promisify } from 'node:util';
import { crc32, inflateRaw } from 'node:zlib';
import { FormatError } from '@kora-bench/core/errors';
import type { Entry } from 'yauzl';
import {
  type ContentEntry,
  type ContentReader,
  type ContentSelection,
  type ContentSource,
  selectEntries,
} from './content-source.js';
import { unreadable } from './file-access.js';
import { readZipDirectory } from './zip-directory.js';

const storedMethod = 0;
const deflatedMethod = 8;
const localHeaderBytes = 30;
const localHeaderSignature = 0x04_03_4b_50;

/** Names of other methods of compression (PKWARE APPNOTE 4.4.5), for messages. */
const methodNames: Readonly<Record<number, string>> = {
  9: 'Deflate64, which Windows takes for large files',
  12: 'bzip2',
  14: 'LZMA',
  93: 'Zstandard',
  95: 'xz',
  98: 'PPMd',
};

/** What deflate can make of a byte at most. */
const mostExpansion = 1032;
/** From this size on, what is this many times larger than in the archive is taken for a zip bomb: images are not. */
const bombBytes = 64 * 2 ** 20;
const bombExpansion = 200;

interface ZipEntry extends ContentEntry {
  readonly compressedSize: number;
  readonly method: number;
  readonly isEncrypted: boolean;
  readonly isLink: boolean;
  readonly crc: number;
  /** Its name as stored, one character a byte, which its local header repeats. */
  readonly storedName: string;
  /** Of its local header, in the file. */
  readonly offset: number;
}

const inflate = promisify(inflateRaw);

/**
 * The files of a zip archive, without unpacking it: the directory is read once, then each file on its own, behind its
 * local header (PKWARE APPNOTE 4.3.7). What lies before and behind the archive (a program that extracts it) is passed
 * over.
 *
 * @throws FormatError when the file is not a whole zip archive, does not hold the data set, or stores a file of it in a
 *   way that is not read
 */
export async function openZip(location: string, selection: ContentSelection): Promise<ContentSource> {
  const found = await entriesOf(location);
  const { root, entries } = selectEntries(location, found, selection);
  const { size: archiveBytes } = await stat(location).catch(async (error) => {
    throw await unreadable(location, error);
  });
  for (const entry of entries) requireReadable(location, entry, archiveBytes);
  return {
    location,
    root,
    entries,
    async open() {
      const file = await open(location).catch(async (error) => {
        throw await unreadable(location, error);
      });
      return new ZipReader(location, entries, file);
    },
    checksums: async (which) => (which?.map((i) => entries[i]!) ?? entries).map(({ crc }) => crc),
  };
}

async function entriesOf(location: string): Promise<ZipEntry[]> {
  const { entries, start } = await readZipDirectory(location);
  return entries
    .filter(({ fileName }) => !fileName.endsWith('/'))
    .map((entry) => ({
      path: nameOf(entry),
      size: entry.uncompressedSize,
      compressedSize: entry.compressedSize,
      method: entry.compressionMethod,
      isEncrypted: entry.isEncrypted(),
      // The upper half of the attributes is the mode of Unix.
      isLink: ((entry.externalFileAttributes >>> 28) & 0xf) === 0xa,
      crc: entry.crc32,
      storedName: entry.fileNameRaw.toString('latin1'),
      offset: start + entry.relativeOffsetOfLocalHeader,
    }));
}

/**
 * Info-ZIP on Unix writes UTF-8 and does not say so; text of code page 437, which then is meant, is hardly ever valid
 * UTF-8 beyond ASCII.
 */
function nameOf({ fileName, fileNameRaw }: Entry): string {
  if (fileNameRaw.every((byte) => byte < 0x80) || fileName.length < fileNameRaw.length) return fileName;
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(fileNameRaw).replaceAll('\\', '/');
  } catch {
    return fileName;
  }
}

/** @throws FormatError saying what the entry is, before anything is allocated for it */
function requireReadable(location: string, entry: ZipEntry, archiveBytes: number): void {
  const { method, size, compressedSize } = entry;
  const fail = (message: string, received: string, fix: string, expected = 'a file, stored or deflated') => {
    throw new FormatError(message, { where: `${location}: ${entry.path}`, expected, received, fix });
  };
  const unpack = `Unpack ${basename(location)}, and give the folder`;
  if (entry.isEncrypted) {
    fail(
      'A file in a zip archive is encrypted.',
      'an encrypted file',
      `${unpack}: archives with a password are not read.`,
    );
  }
  if (entry.isLink) {
    const fix = 'Make the archive again with the files that links name (zip without -y).';
    fail('A symbolic link is in a zip archive.', 'a link', fix);
  }
  if (method !== storedMethod && method !== deflatedMethod) {
    const name = methodNames[method] ?? `method ${method}`;
    fail('A file in a zip archive is compressed in a way that is not read.', name, `${unpack}.`);
  }
  const most = method === storedMethod ? compressedSize : compressedSize * mostExpansion + 64;
  if (entry.offset + localHeaderBytes + compressedSize > archiveBytes || size > most) {
    fail(
      'A file in a zip archive is damaged.',
      `${compressedSize} bytes for ${size}, in an archive of ${archiveBytes}`,
      getArchiveAgain,
      'sizes that are possible',
    );
  }
  if (size > bombBytes && size > compressedSize * bombExpansion) {
    fail(
      'A file in a zip archive is larger than an image would be.',
      `${compressedSize} bytes that become ${size}, as of a zip bomb`,
      `${unpack} if you trust it.`,
      `at most ${bombExpansion} times its size in the archive`,
    );
  }
}

const getArchiveAgain = 'Download or copy the archive again.';

class ZipReader implements ContentReader {
  constructor(
    private readonly location: string,
    private readonly entries: readonly ZipEntry[],
    private readonly file: FileHandle,
  ) {}

  async read(index: number): Promise<Uint8Array<ArrayBuffer>> {
    const entry = this.entries[index]!;
    const nameBytes = entry.storedName.length;
    const header = await this.#readAt(entry, entry.offset, localHeaderBytes + nameBytes);
    const view = new DataView(header.buffer);
    if (view.getUint32(0, true) !== localHeaderSignature) {
      throw this.#damaged(entry, 'no local header where the directory points');
    }
    const name = Buffer.from(header.buffer, localHeaderBytes, nameBytes).toString('latin1');
    if (view.getUint16(26, true) !== nameBytes || name !== entry.storedName) {
      throw this.#damaged(entry, 'another name in its local header');
    }
    const start = entry.offset + localHeaderBytes + nameBytes + view.getUint16(28, true);
    const stored = await this.#readAt(entry, start, entry.compressedSize);
    const bytes = entry.method === deflatedMethod ? await this.#inflate(entry, stored) : stored;
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
    const { bytesRead } = await this.file.read(bytes, 0, length, position).catch(async (error) => {
      throw await unreadable(this.location, error);
    });
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
      fix: getArchiveAgain,
    });
  }
}
