import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ImageDataset, ImageSplit, PixelBatch } from '@kora-bench/core/data';
import { openFolderDataset } from '@kora-bench/datasets';
import { type Files, tarOf, zipOf } from './archives.js';
import { writeFiles } from './place-files.js';
import { preprocessing } from './synthetic-split.js';
import { temporaryFolder } from './temporary-folder.js';

export const text = (content: string) => Buffer.from(content);

/** A folder of these files, or the path of an archive of them. */
export function placed(files: Files, as: 'folder' | 'zip' | 'tar' = 'folder'): string {
  const folder = join(temporaryFolder(), 'mine');
  mkdirSync(folder);
  if (as === 'folder') {
    writeFiles(folder, files);
    return folder;
  }
  writeFileSync(`${folder}.${as}`, as === 'zip' ? zipOf(files) : tarOf(files));
  return `${folder}.${as}`;
}

/** Opens a folder or an archive as a data set, with an empty cache. */
export const open = (path: string): Promise<ImageDataset> =>
  openFolderDataset(path, { dataDir: '', cacheDir: temporaryFolder() });

/** All examples of a split, at 8 × 10. */
export async function readAll(split: ImageSplit): Promise<PixelBatch> {
  const reader = await split.open({ ...preprocessing(8), imageSize: [8, 10] });
  try {
    return await reader.read([...split.paths.keys()]);
  } finally {
    await reader.close();
  }
}
