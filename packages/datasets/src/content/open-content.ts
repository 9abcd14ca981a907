import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { DataContext } from '@kora-bench/core/data';
import { FormatError, MissingDataError } from '@kora-bench/core/errors';
import type { ContentSelection, ContentSource } from './content-source.js';
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
  const found = await stat(location).catch(() => undefined);
  if (found === undefined) {
    throw new MissingDataError('There is no such folder or archive.', {
      where: location,
      expected: 'a folder, or a .zip or .tar archive',
      received: 'nothing',
      fix: 'Correct the path.',
    });
  }
  if (found.isDirectory()) return openFolder(location, selection, cacheDir);
  if (/\.zip$/i.test(location)) return openZip(location, selection);
  if (/\.tar$/i.test(location)) return openTar(location, selection, cacheDir);
  throw new FormatError('This is not an archive that can be read in place.', {
    where: location,
    expected: 'a folder, or a .zip or .tar archive',
    received: 'another file',
    fix: 'Unpack it (a .tar.gz allows no random access), and give the folder.',
  });
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
  const names = await readdir(dataDir).catch(() => []);
  const archives = names.filter((name) => places.archive.test(name)).sort();
  const archive = archives.find((name) => name === places.officialArchive) ?? archives[0];
  if (archive !== undefined) return join(dataDir, archive);
  throw new MissingDataError(`${places.title} is not in the data folder.`, {
    where: dataDir,
    expected: `the folder ${places.folders[0]}/ with ${places.markers.join(' or ')} in it, or ${places.officialArchive}`,
    received: 'neither',
    fix: places.howToGet,
  });
}

export async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
