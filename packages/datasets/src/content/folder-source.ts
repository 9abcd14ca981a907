import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { crc32 } from 'node:zlib';
import { FormatError } from '@kora-bench/core/errors';
import { writeFileAtomic } from '@kora-bench/platform-node/atomic-file';
import { warnOnce } from '../cache/warn-once.js';
import { mapConcurrently } from './concurrency.js';
import {
  type ContentEntry,
  type ContentReader,
  type ContentSelection,
  type ContentSource,
  selectEntries,
} from './content-source.js';
import { notAFile, readWhole, unreadable } from './file-access.js';
import { walkFolder } from './folder-walk.js';

const openFilesAtOnce = 32;
/** Files beyond this size are not held in memory for their checksum. */
const streamedFrom = 64 * 2 ** 20;

interface FileEntry extends ContentEntry {
  /** Path below the folder opened, which may be above the root of the data set. */
  readonly inFolder: string;
  readonly modified: number;
}

/**
 * The files below a folder. Their checksums are computed once and kept in `cacheDir`, for as long as no
 * path, size or time of change differs. What is no data (`.DS_Store`, `Thumbs.db`, locks) is left out.
 *
 * @throws FormatError when the data set is not in the folder, or a part of it cannot be read
 */
export async function openFolder(
  location: string,
  selection: ContentSelection,
  cacheDir: string,
): Promise<ContentSource> {
  const found = await walkFolder(location, selection.enters ?? (() => true));
  const { root, entries: selected } = selectEntries(
    location,
    found.map((path) => ({ path, inFolder: path, size: 0 })),
    selection,
  );
  const entries = await mapConcurrently(selected, openFilesAtOnce, async (entry): Promise<FileEntry> => {
    const path = join(location, entry.inFolder);
    const found = await stat(path).catch(async (error) => {
      throw await unreadable(path, error);
    });
    if (!found.isFile()) throw notAFile(path, found);
    return { ...entry, size: found.size, modified: found.mtimeMs };
  });
  const reader = new FolderReader(location, entries);
  return {
    location,
    root,
    entries,
    open: async () => reader,
    checksums: (which = [...entries.keys()]) => checksums({ location, entries, reader }, which, cacheDir),
  };
}

class FolderReader implements ContentReader {
  constructor(
    private readonly location: string,
    private readonly entries: readonly FileEntry[],
  ) {}

  async read(index: number): Promise<Uint8Array<ArrayBuffer>> {
    const { inFolder, size } = this.entries[index]!;
    const where = join(this.location, inFolder);
    const bytes = await readWhole(where);
    if (bytes.length === size) return new Uint8Array(bytes);
    throw new FormatError('A file of the data set has changed.', {
      where,
      expected: `${size} bytes, as when the data set was opened`,
      received: `${bytes.length} bytes`,
      fix: 'Leave the folder unchanged during a run, and start it again.',
    });
  }

  async close(): Promise<void> {}
}

async function checksums(
  folder: {
    readonly location: string;
    readonly entries: readonly FileEntry[];
    readonly reader: ContentReader;
  },
  which: readonly number[],
  cacheDir: string,
): Promise<readonly number[]> {
  const { location, entries, reader } = folder;
  const state = createHash('sha256').update(resolve(location));
  for (const entry of which) {
    const { path, size, modified } = entries[entry]!;
    state.update(`\n${path}\t${size}\t${modified}`);
  }
  const kept = join(cacheDir, 'checksums', `${state.digest('hex').slice(0, 24)}.json`);
  const known = await readChecksums(kept, which.length);
  if (known !== undefined) return known;
  const computed = await mapConcurrently(which, openFilesAtOnce, async (entry) => {
    const { inFolder, size } = entries[entry]!;
    return size > streamedFrom ? crcOfFile(join(location, inFolder)) : crc32(await reader.read(entry));
  });
  try {
    await writeFileAtomic(kept, JSON.stringify(computed));
  } catch (error) {
    warnOnce('checksums', `The checksums of ${location} cannot be kept: ${String(error)}.`);
  }
  return computed;
}

async function crcOfFile(path: string): Promise<number> {
  let crc = 0;
  try {
    for await (const chunk of createReadStream(path, { highWaterMark: 2 ** 20 })) {
      crc = crc32(chunk as Buffer, crc);
    }
  } catch (error) {
    throw await unreadable(path, error);
  }
  return crc;
}

async function readChecksums(path: string, count: number): Promise<number[] | undefined> {
  try {
    const values: unknown = JSON.parse(await readFile(path, 'utf8'));
    const valid = Array.isArray(values) && values.length === count && values.every(Number.isInteger);
    return valid ? (values as number[]) : undefined;
  } catch {
    return undefined;
  }
}
