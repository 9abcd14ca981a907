import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type DataContext, MissingDataError } from '@kora-bench/core';
import { unpackMembers } from '../content/tar-members.js';
import { type CifarVariant, filesOf, howToGet } from './variant.js';

/** Where CIFAR was found: `location` is what the user put there, `folder` holds the binary files. */
export interface CifarFiles {
  readonly location: string;
  readonly folder: string;
  readonly isArchive: boolean;
}

/**
 * Finds CIFAR in the data folder: its official folder, else the official archive, else the first
 * archive whose name starts so.
 *
 * @throws MissingDataError when there is none; FormatError when the archive is damaged.
 */
export async function locateCifar(variant: CifarVariant, context: DataContext): Promise<CifarFiles> {
  const { dataDir, cacheDir } = context;
  const folder = join(dataDir, variant.folder);
  if (
    await stat(folder).then(
      (found) => found.isDirectory(),
      () => false,
    )
  ) {
    return { location: folder, folder, isArchive: false };
  }
  const names = await readdir(dataDir).catch(() => []);
  const archives = names.filter((name) => variant.archive.test(name)).sort();
  const archive = archives.find((name) => name === variant.officialArchive) ?? archives[0];
  if (archive === undefined) {
    throw new MissingDataError(`${variant.name} is not in the data folder.`, {
      where: dataDir,
      expected: `the folder ${variant.folder}/ or ${variant.officialArchive}`,
      received: 'neither',
      fix: howToGet(variant),
    });
  }
  const location = join(dataDir, archive);
  const unpacked = await unpackMembers(location, filesOf(variant), cacheDir);
  return { location, folder: unpacked, isArchive: true };
}
