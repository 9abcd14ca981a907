import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type DataContext, MissingDataError } from '@kora-bench/core';
import type { ContentSource } from '../content/content-source.js';
import { openFolder } from '../content/folder-source.js';
import { openZip } from '../content/zip-source.js';

const officialFolder = 'tiny-imagenet-200';
const archiveName = /^tiny-imagenet-200.*\.zip$/i;
const markerFile = 'wnids.txt';

export const howToGet =
  'Download http://cs231n.stanford.edu/tiny-imagenet-200.zip (237 MB) into the data folder; ' +
  'it is read as it is, unpacked (folder tiny-imagenet-200/) or not.';

/** An image of the training or validation set: `train/<wnid>/images/*.JPEG` or `val/images/*.JPEG`. */
export const imagePath = /^(?:train\/([^/]+)|val)\/images\/[^/.][^/]*\.jpe?g$/i;

const textFiles = new Set([markerFile, 'words.txt', 'val/val_annotations.txt']);
const wanted = (path: string) => textFiles.has(path) || imagePath.test(path);
const enters = (path: string) => /^(?:train(?:\/[^/]+(?:\/images)?)?|val(?:\/images)?)$/.test(path);

/**
 * Finds Tiny ImageNet in the data folder: the folder `tiny-imagenet-200`, else `tiny-imagenet-200.zip`,
 * else the first archive whose name starts so.
 *
 * @throws MissingDataError when there is none.
 */
export async function locateTinyImageNet({ dataDir, cacheDir }: DataContext): Promise<ContentSource> {
  const folder = join(dataDir, officialFolder);
  if (await exists(join(folder, markerFile))) return openFolder(folder, wanted, enters, cacheDir);
  const names = await readdir(dataDir).catch(() => []);
  const archives = names.filter((name) => archiveName.test(name)).sort();
  const archive = archives.find((name) => name === `${officialFolder}.zip`) ?? archives[0];
  if (archive !== undefined) return openZip(join(dataDir, archive), markerFile, wanted);
  throw new MissingDataError('Tiny ImageNet is not in the data folder.', {
    where: dataDir,
    expected: `the folder ${officialFolder}/ with ${markerFile} in it, or ${officialFolder}.zip`,
    received: 'neither',
    fix: howToGet,
  });
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
