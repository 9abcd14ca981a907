import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream, rmSync } from 'node:fs';
import { mkdtemp, readFile, rename, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join, posix, resolve } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { FormatError } from '@kora-bench/core';
import { makeFolder, temporaryName, writeWholeFile } from '@kora-bench/whole-file';
import { warnOnce } from '../cache/warn-once.js';

const completeMarker = 'complete.json';

/**
 * Unpacks the named members of a `.tar.gz` archive, once, and returns the folder that holds them. A
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
  const { size, mtimeMs } = await stat(archive);
  const identity = JSON.stringify({ archive: resolve(archive), size, mtimeMs, members });
  const key = createHash('sha256').update(identity).digest('hex').slice(0, 24);
  const folder = join(cacheDir, 'unpacked', key);
  if (await isComplete(folder)) return folder;
  const temporary = await makeTemporary(temporaryName(folder));
  try {
    const sizes = await extract(archive, members, temporary.path);
    await writeWholeFile(join(temporary.path, completeMarker), JSON.stringify(sizes));
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

async function extract(
  archive: string,
  members: readonly string[],
  folder: string,
): Promise<Record<string, number>> {
  const tar = await import('tar-stream');
  const sizes: Record<string, number> = {};
  const entries = tar.extract();
  const reading = pipeline(createReadStream(archive), createGunzip(), entries);
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
  for (const outcome of outcomes) if (outcome.status === 'rejected') throw damaged(archive, outcome.reason);
  const absent = members.filter((member) => sizes[member] === undefined);
  if (absent.length === 0) return sizes;
  throw new FormatError('An archive does not hold the data set.', {
    where: archive,
    expected: `the files ${members.join(', ')}`,
    received: `no ${absent.join(', ')}`,
    fix: 'Download the official archive again.',
  });
}

function damaged(archive: string, cause: unknown): Error {
  const code = (cause as NodeJS.ErrnoException).code;
  if (code === 'ENOSPC' || code === 'EFBIG') return cause as Error;
  return new FormatError('An archive is damaged.', {
    where: archive,
    expected: 'a whole .tar.gz archive',
    received: cause instanceof Error ? cause.message : String(cause),
    fix: `Download ${basename(archive)} again; an interrupted download leaves a truncated file.`,
    cause,
  });
}
