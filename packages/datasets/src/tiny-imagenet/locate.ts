import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type DataContext, MissingDataError } from '@kora-bench/core';
import type { ContentSource } from '../content/content-source.js';
import { openFolder } from '../content/folder-source.js';
import { openZip } from '../content/zip-source.js';

const FOLDER = 'tiny-imagenet-200';
const ARCHIVE = /^tiny-imagenet-200.*\.zip$/i;
const MARKER = 'wnids.txt';

export const HOW_TO_GET =
  'Download http://cs231n.stanford.edu/tiny-imagenet-200.zip (237 MB) into the data folder; ' +
  'it is read as it is, unpacked (folder tiny-imagenet-200/) or not.';

/** An image of the training or validation set: `train/<wnid>/images/*.JPEG` or `val/images/*.JPEG`. */
export const IMAGE_PATH = /^(?:train\/([^/]+)|val)\/images\/[^/.][^/]*\.jpe?g$/i;

const TEXTS = new Set([MARKER, 'words.txt', 'val/val_annotations.txt']);
const wanted = (path: string) => TEXTS.has(path) || IMAGE_PATH.test(path);
const enters = (path: string) => /^(?:train(?:\/[^/]+(?:\/images)?)?|val(?:\/images)?)$/.test(path);

/**
 * Finds Tiny ImageNet in the data folder: the folder `tiny-imagenet-200`, else `tiny-imagenet-200.zip`,
 * else the first archive whose name starts so.
 *
 * @throws MissingDataError when there is none.
 */
export async function locateTinyImageNet({ dataDir, cacheDir }: DataContext): Promise<ContentSource> {
  const folder = join(dataDir, FOLDER);
  if (await exists(join(folder, MARKER))) return openFolder(folder, wanted, enters, cacheDir);
  const names = await readdir(dataDir).catch(() => []);
  const archives = names.filter((name) => ARCHIVE.test(name)).sort();
  const archive = archives.find((name) => name === `${FOLDER}.zip`) ?? archives[0];
  if (archive !== undefined) return openZip(join(dataDir, archive), MARKER, wanted);
  throw new MissingDataError('Tiny ImageNet is not in the data folder.', {
    where: dataDir,
    expected: `the folder ${FOLDER}/ with ${MARKER} in it, or ${FOLDER}.zip`,
    received: 'neither',
    fix: HOW_TO_GET,
  });
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
