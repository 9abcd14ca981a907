import { lstat, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { DataContext } from '@kora-bench/core/data';
import { MissingDataError } from '@kora-bench/core/errors';
import { archiveKind, notReadInPlace } from './archive-kind.js';
import type { ContentSelection, ContentSource } from './content-source.js';
import { notAFile, unreadable } from './file-access.js';
import { openFolder } from './folder-source.js';
import { openTar } from './tar-source.js';
import { openZip } from './zip-source.js';

/**
 * Opens a data set in a folder, a `.zip` or a `.tar` archive.
 *
 * @throws MissingDataError when there is nothing at `location`; FormatError when it is neither, is damaged,
 *   or does not hold the data set
 */
export async function openContent(
  location: string,
  selection: ContentSelection,
  cacheDir: string,
): Promise<ContentSource> {
  const found = await stat(location).catch(async (error) => {
    const isLink = await lstat(location).then(
      (found) => found.isSymbolicLink(),
      () => false,
    );
    if (isLink || !isAbsent(error)) throw await unreadable(location, error);
  });
  if (found === undefined) {
    throw new MissingDataError('There is no such folder or archive.', {
      where: location,
      expected: 'a folder, or a .zip or .tar archive',
      received: 'nothing',
      fix: 'Correct the path.',
    });
  }
  if (found.isDirectory()) return openFolder(location, selection, cacheDir);
  if (!found.isFile()) throw notAFile(location, found);
  const kind = await archiveKind(location);
  // A self-extracting archive begins with a program, and a damaged one with anything; their names tell.
  if (kind === 'zip' || (kind === undefined && /\.(?:zip|exe)$/i.test(location))) {
    return openZip(location, selection);
  }
  if (kind === 'tar' || (kind === undefined && /\.tar$/i.test(location))) {
    return openTar(location, selection, cacheDir);
  }
  throw notReadInPlace(location, kind);
}

/** Whether an error says that there is nothing of this name. */
function isAbsent(error: unknown): boolean {
  return ['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '');
}

/** Where a data set may be in the data folder. */
export interface DataPlaces {
  /** The data set's name in a message, e.g. `Tiny ImageNet`. */
  readonly title: string;
  /** Folders, in order of preference; each must hold one of `markers`. */
  readonly folders: readonly string[];
  /** Paths of which one must be below a folder for it to be the data set. */
  readonly markers: readonly string[];
  /** What archives are named like. */
  readonly archive: RegExp;
  /** The official archive, which goes before others that match. */
  readonly officialArchive: string;
  readonly howToGet: string;
}

/**
 * Finds a data set in the data folder: a folder, else the official archive, else the first that is named
 * like it.
 *
 * @throws MissingDataError when there is none
 */
export async function locate({ dataDir }: DataContext, places: DataPlaces): Promise<string> {
  for (const folder of places.folders) {
    for (const marker of places.markers) {
      if (await exists(join(dataDir, folder, marker))) return join(dataDir, folder);
    }
  }
  const archive = await findArchive(dataDir, places);
  if (archive !== undefined) return join(dataDir, archive);
  throw new MissingDataError(`${places.title} is not in the data folder.`, {
    where: dataDir,
    expected: `the folder ${places.folders[0]}/ with ${places.markers.join(' or ')} in it, or ${places.officialArchive}`,
    received: 'neither',
    fix: places.howToGet,
  });
}

/**
 * The official archive in a folder, else the first that is named like it and is not compressed as a whole, else the first.
 *
 * @throws FormatError when there is a folder and it cannot be listed
 */
export async function findArchive(
  dataDir: string,
  { archive, officialArchive }: Pick<DataPlaces, 'archive' | 'officialArchive'>,
): Promise<string | undefined> {
  const names = await readdir(dataDir).catch(async (error) => {
    if (isAbsent(error)) return [];
    throw await unreadable(dataDir, error, 'a folder that can be listed');
  });
  const archives = names.filter((name) => archive.test(name)).sort();
  return (
    archives.find((name) => name === officialArchive) ??
    archives.find((name) => /\.(?:zip|tar)$/i.test(name)) ??
    archives[0]
  );
}

/** @throws FormatError when it cannot be told, e.g. without the permission to look */
export async function exists(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (error) {
    if (isAbsent(error)) return false;
    throw await unreadable(path, error);
  }
}
