import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { basename } from 'node:path';
import { FormatError, KoraError } from '@kora-bench/core/errors';
import type { Entry } from 'yauzl';
import { joinParts } from './archive-kind.js';
import { unreadable } from './file-access.js';

/*
 * The directory at the end of a zip archive (PKWARE APPNOTE 4.3). yauzl reads its entries, zip64 included; where it lies is
 * found here, since archives have programs put before them and bytes left behind them.
 */

const windowBytes = 2 ** 20;

/** Reads a file through a window of 1 MiB: many small reads close together cost one. */
class BufferedFile {
  readonly size: number;
  readonly #descriptor: number;
  readonly #window: Buffer;
  #start = 0;
  #length = 0;

  /** @throws a system error when the file cannot be opened. */
  constructor(path: string) {
    this.#descriptor = openSync(path, 'r');
    this.size = fstatSync(this.#descriptor).size;
    this.#window = Buffer.alloc(Math.min(windowBytes, this.size));
  }

  /** Fills `target` from `position` on and returns the bytes read: fewer only at the end of the file. */
  read(target: Buffer, position: number): number {
    if (target.length > this.#window.length)
      return readSync(this.#descriptor, target, 0, target.length, position);
    if (position < this.#start || position + target.length > this.#start + this.#length) {
      this.#start = position;
      this.#length = readSync(this.#descriptor, this.#window, 0, this.#window.length, position);
    }
    const from = position - this.#start;
    if (from >= this.#length) return 0;
    return this.#window.copy(target, 0, from, Math.min(from + target.length, this.#length));
  }

  close(): void {
    closeSync(this.#descriptor);
  }
}

type RandomAccessRead = import('yauzl').RandomAccessReader['read'];

/** The part of a file that is the archive: offsets in its directory count from `start`. */
interface ZipBounds {
  readonly start: number;
  readonly end: number;
  /** Bytes of the directory, where its end says so. */
  readonly directoryBytes?: number;
}

export interface ZipDirectory {
  readonly entries: readonly Entry[];
  /** Where the archive begins in its file, behind what was put before it. */
  readonly start: number;
}

/** @throws FormatError when the file is not a whole zip archive */
export async function readZipDirectory(location: string): Promise<ZipDirectory> {
  let file: BufferedFile;
  try {
    file = new BufferedFile(location);
  } catch (error) {
    throw await unreadable(location, error);
  }
  try {
    const bounds = findBounds(file, location);
    return { entries: await readEntries(file, bounds), start: bounds.start };
  } catch (error) {
    throw error instanceof KoraError ? error : notAnArchive(location, error);
  } finally {
    file.close();
  }
}

async function readEntries(file: BufferedFile, { start, end, directoryBytes }: ZipBounds): Promise<Entry[]> {
  const { fromRandomAccessReaderPromise, RandomAccessReader } = await import('yauzl');
  // yauzl reads the directory in two small pieces an entry: of the file itself, that takes 5 s for the
  // 120,000 entries of Tiny ImageNet.
  class DirectoryReader extends RandomAccessReader {
    override read(...[buffer, offset, length, position, callback]: Parameters<RandomAccessRead>): void {
      let bytesRead: number;
      try {
        bytesRead = file.read(buffer.subarray(offset, offset + length), start + position);
      } catch (error) {
        callback(error as Error, 0);
        return;
      }
      callback(null, bytesRead);
    }
  }
  const zip = await fromRandomAccessReaderPromise(new DirectoryReader(), end - start, {
    autoClose: false,
    // It counts what encryption adds as wrong; sizes are looked at for the files that are wanted.
    validateEntrySizes: false,
  });
  const entries: Entry[] = [];
  let length = 0;
  for await (const entry of zip.eachEntry()) {
    entries.push(entry);
    length += entryBytes + entry.fileNameLength + entry.extraFieldLength + entry.fileCommentLength;
  }
  // The end states a number of entries too; files must not go missing because it is wrong.
  if (directoryBytes !== undefined && length !== directoryBytes) {
    throw new Error(`a directory of ${directoryBytes} bytes with ${entries.length} entries of ${length}`);
  }
  return entries;
}

const entryBytes = 46;
const endSignature = 0x06_05_4b_50;
const endBytes = 22;
const zip64EndSignature = 0x06_06_4b_50;
const zip64EndBytes = 56;
const zip64LocatorSignature = 0x07_06_4b_50;
const zip64LocatorBytes = 20;
const longestComment = 0xffff;

function findBounds(file: BufferedFile, location: string): ZipBounds {
  const tailAt = Math.max(0, file.size - endBytes - longestComment);
  const tail = Buffer.alloc(file.size - tailAt);
  const length = file.read(tail, tailAt);
  let at = length - endBytes;
  for (; at >= 0; at--) {
    if (tail.readUInt32LE(at) === endSignature && at + endBytes + tail.readUInt16LE(at + 20) <= length) break;
  }
  if (at < 0) throw new Error('no directory at its end');
  const endAt = tailAt + at;
  const end = endAt + endBytes + tail.readUInt16LE(at + 20);
  const [disk, offset] = [tail.readUInt16LE(at + 4), tail.readUInt32LE(at + 16)];
  const directoryBytes = tail.readUInt32LE(at + 12);
  const locator = at - zip64LocatorBytes;
  if (locator >= 0 && tail.readUInt32LE(locator) === zip64LocatorSignature) {
    if (tail.readUInt32LE(locator + 16) > 1) throw severalParts(location);
    const recordAt = tailAt + locator - zip64EndBytes;
    const record = Buffer.alloc(4);
    if (recordAt < 0 || file.read(record, recordAt) < 4 || record.readUInt32LE(0) !== zip64EndSignature) {
      return { start: 0, end };
    }
    return { start: plausibleStart(recordAt - Number(tail.readBigUInt64LE(locator + 8))), end };
  }
  if (disk !== 0 && disk !== 0xffff) throw severalParts(location);
  if (directoryBytes === 0 && endAt > 0) throw new Error(`an empty directory behind ${endAt} bytes`);
  return { start: plausibleStart(endAt - directoryBytes - offset), end, directoryBytes };
}

function plausibleStart(start: number): number {
  if (start >= 0) return start;
  throw new Error('a directory that begins before the file: a part at its start is missing');
}

function severalParts(location: string): FormatError {
  return new FormatError('This is one part of a zip archive in several.', {
    where: location,
    expected: 'an archive in one file',
    received: 'the last of its parts',
    fix: joinParts(basename(location)),
  });
}

function notAnArchive(location: string, cause: unknown): FormatError {
  const received = cause instanceof Error ? cause.message : String(cause);
  const leadsOut = /^(?:invalid relative path|absolute path|invalid characters in fileName)/.test(received);
  return new FormatError('This zip archive cannot be read.', {
    where: location,
    expected: leadsOut ? 'paths that stay inside the archive' : 'a whole zip archive',
    received,
    fix: leadsOut
      ? 'Make the archive again, of a folder and by its relative path.'
      : 'Download or copy it again: an interrupted download leaves such a file.',
    cause,
  });
}
