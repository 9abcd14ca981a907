import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream, rmSync, type Stats } from 'node:fs';
import { mkdtemp, open, readFile, rename, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join, posix, resolve } from 'node:path';
import { PassThrough, type Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { crc32, createGunzip } from 'node:zlib';
import { FormatError } from '@kora-bench/core/errors';
import { makeFolder, temporaryPath, writeFileAtomic } from '@kora-bench/platform-node/atomic-file';
import { warnOnce } from '../cache/warn-once.js';
import { archiveKind, notReadInPlace } from './archive-kind.js';
import {
  type ContentEntry,
  type ContentSelection,
  type ContentSource,
  selectEntries,
} from './content-source.js';
import { unreadable } from './file-access.js';

const completeMarker = 'complete.json';

interface TarEntry extends ContentEntry {
  readonly offset: number;
  readonly crc: number;
}

/**
 * The files of a plain `.tar` archive, without unpacking it. A tar has no directory: it is read once from
 * end to end, and what was found is kept in `cacheDir` for as long as size and time of change stay.
 *
 * @throws FormatError when the archive is damaged, or does not hold the data set.
 */
export async function openTar(
  location: string,
  selection: ContentSelection,
  cacheDir: string,
): Promise<ContentSource> {
  const { root, entries } = selectEntries(location, await indexOf(location, cacheDir), selection);
  return {
    location,
    root,
    entries,
    async open() {
      const file = await open(location).catch(async (error) => {
        throw await unreadable(location, error);
      });
      return {
        async read(index) {
          const { path, size, offset, crc } = entries[index]!;
          const bytes = new Uint8Array(size);
          const { bytesRead } = await file.read(bytes, 0, size, offset);
          if (bytesRead === size && crc32(bytes) === crc) return bytes;
          throw new FormatError('A file in a tar archive has changed.', {
            where: `${location}: ${path}`,
            expected: `${size} bytes with CRC-32 ${crc.toString(16).padStart(8, '0')}`,
            received: bytesRead === size ? 'other bytes' : `${bytesRead} bytes`,
            fix: 'Leave the archive unchanged during a run, or download it again.',
          });
        },
        close: () => file.close(),
      };
    },
    checksums: async (which) => (which?.map((i) => entries[i]!) ?? entries).map(({ crc }) => crc),
  };
}

async function indexOf(archive: string, cacheDir: string): Promise<readonly TarEntry[]> {
  const { size, mtimeMs } = await statOf(archive);
  const identity = JSON.stringify({ format: 2, archive: resolve(archive), size, mtimeMs });
  const key = createHash('sha256').update(identity).digest('hex').slice(0, 24);
  const kept = join(cacheDir, 'tar-index', `${key}.json`);
  const known = await readFile(kept, 'utf8').then(
    (text) => parsedIndex(text, identity),
    () => undefined,
  );
  if (known !== undefined) return known;
  const found = await listEntries(archive, size);
  try {
    await writeFileAtomic(kept, JSON.stringify({ identity, entries: found }));
  } catch (error) {
    warnOnce('tar-index', `The list of files of ${archive} cannot be kept: ${String(error)}.`);
  }
  return found;
}

async function listEntries(archive: string, archiveBytes: number): Promise<readonly TarEntry[]> {
  const tar = await import('tar-stream');
  const found = new Map<string, TarEntry>();
  const links: { readonly path: string; readonly target: string }[] = [];
  const entries = tar.extract();
  const reading = pipeline(
    createReadStream(archive, { highWaterMark: Math.min(2 ** 20, Math.max(archiveBytes, 1)) }),
    entries,
  );
  const listing = (async () => {
    for await (const entry of entries) {
      const { name, size, type, byteOffset, linkname } = entry.header;
      let crc = 0;
      for await (const chunk of entry) crc = crc32(chunk as Buffer, crc);
      const path = posix.normalize(name);
      if (type === 'file' || type === 'contiguous-file')
        found.set(path, { path, size, offset: byteOffset, crc });
      else if (type === 'link' && linkname) links.push({ path, target: posix.normalize(linkname) });
      else if (type === 'symlink' && linkname) {
        links.push({ path, target: posix.join(posix.dirname(path), linkname) });
      }
    }
  })();
  const outcomes = await Promise.allSettled([reading, listing]);
  for (const outcome of outcomes) {
    if (outcome.status === 'rejected') throw await damaged(archive, outcome.reason);
  }
  // Of files that are the same on the disk a tar keeps one, and names it for the others. A link may name a link.
  for (let followed = -1; followed !== 0 && links.length > 0; ) {
    followed = 0;
    for (const { path, target } of links) {
      const file = found.get(target);
      if (file === undefined || found.has(path)) continue;
      found.set(path, { ...file, path });
      followed++;
    }
  }
  return [...found.values()];
}

function parsedIndex(text: string, identity: string): readonly TarEntry[] | undefined {
  try {
    const kept = JSON.parse(text) as { identity?: unknown; entries?: readonly TarEntry[] };
    return kept.identity === identity ? kept.entries : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Unpacks the named members of a `.tar.gz` archive, or of a `.tar` that was one, once, and returns the folder that holds them. A
 * gzip stream allows no random access, so its members are kept in `cacheDir`; the folder gets its name
 * only when all of them are in it. Without a writable cache they go to the system's temporary folder,
 * until the process ends.
 *
 * @param members base names; their folder in the archive does not matter.
 * @throws FormatError when the archive is damaged or lacks a member.
 */
export async function unpackMembers(
  archive: string,
  members: readonly string[],
  cacheDir: string,
): Promise<string> {
  const { size, mtimeMs } = await statOf(archive);
  const decompress = await decompressor(archive);
  const identity = JSON.stringify({ archive: resolve(archive), size, mtimeMs, members });
  const key = createHash('sha256').update(identity).digest('hex').slice(0, 24);
  const folder = join(cacheDir, 'unpacked', key);
  if (await isComplete(folder)) return folder;
  const temporary = await makeTemporary(temporaryPath(folder));
  try {
    const sizes = await extract(archive, decompress, { members, folder: temporary.path });
    await writeFileAtomic(join(temporary.path, completeMarker), JSON.stringify(sizes));
    if (!temporary.cached) return temporary.path;
    await rm(folder, { recursive: true, force: true });
    await rename(temporary.path, folder);
    return folder;
  } catch (error) {
    await rm(temporary.path, { recursive: true, force: true });
    // Another process that unpacked the same archive may have been faster.
    if (await isComplete(folder)) return folder;
    throw error;
  }
}

async function isComplete(folder: string): Promise<boolean> {
  try {
    const sizes: unknown = JSON.parse(await readFile(join(folder, completeMarker), 'utf8'));
    for (const [name, size] of Object.entries(sizes as Record<string, number>)) {
      if ((await stat(join(folder, name))).size !== size) return false;
    }
    return true;
  } catch {
    return false;
  }
}

async function makeTemporary(path: string): Promise<{ path: string; cached: boolean }> {
  try {
    makeFolder(path);
    return { path, cached: true };
  } catch (error) {
    warnOnce('unpacked', `Archives cannot be unpacked into the cache folder: ${String(error)}.`);
    const fallback = await mkdtemp(join(tmpdir(), 'kora-bench-'));
    process.once('exit', () => rmSync(fallback, { recursive: true, force: true }));
    return { path: fallback, cached: false };
  }
}

async function statOf(archive: string): Promise<Stats> {
  try {
    return await stat(archive);
  } catch (error) {
    throw await unreadable(archive, error);
  }
}

/**
 * What makes a tar of an archive, by its content and not by its name: browsers unzip what they download.
 *
 * @throws FormatError when it is compressed in a way that this Node.js cannot undo
 */
async function decompressor(archive: string): Promise<() => Transform> {
  const kind = await archiveKind(archive);
  if (kind === 'gzip') return createGunzip;
  if (kind === 'tar') return () => new PassThrough();
  if (kind === undefined) throw await damaged(archive, 'a file that is neither a tar nor compressed');
  throw notReadInPlace(archive, kind);
}

async function extract(
  archive: string,
  decompress: () => Transform,
  { members, folder }: { readonly members: readonly string[]; readonly folder: string },
): Promise<Record<string, number>> {
  const tar = await import('tar-stream');
  const sizes: Record<string, number> = {};
  const entries = tar.extract();
  const reading = pipeline(createReadStream(archive), decompress(), entries);
  const writing = (async () => {
    for await (const entry of entries) {
      const name = posix.basename(entry.header.name);
      if (entry.header.type !== 'file' || !members.includes(name)) {
        entry.resume();
        continue;
      }
      await pipeline(entry, createWriteStream(join(folder, name)));
      sizes[name] = entry.header.size;
    }
  })();
  const outcomes = await Promise.allSettled([reading, writing]);
  for (const outcome of outcomes) {
    if (outcome.status === 'rejected') throw await damaged(archive, outcome.reason);
  }
  const absent = members.filter((member) => sizes[member] === undefined);
  if (absent.length === 0) return sizes;
  throw new FormatError('An archive does not hold the data set.', {
    where: archive,
    expected: `the files ${members.join(', ')}`,
    received: `no ${absent.join(', ')}`,
    fix: 'Download the official archive again.',
  });
}

async function damaged(archive: string, cause: unknown): Promise<Error> {
  const code = (cause as NodeJS.ErrnoException).code;
  if (code === 'ENOSPC' || code === 'EFBIG') return cause as Error;
  // The system's errors name the call that failed; those of the formats do not.
  if ((cause as NodeJS.ErrnoException).syscall !== undefined) return unreadable(archive, cause);
  return new FormatError('An archive is damaged.', {
    where: archive,
    expected: `a whole ${archive.endsWith('.tar') ? '.tar' : '.tar.gz'} archive`,
    received: cause instanceof Error ? cause.message : String(cause),
    fix: `Download or copy ${basename(archive)} again: an interrupted download leaves such a file.`,
    cause,
  });
}
