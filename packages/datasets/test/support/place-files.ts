import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type Files, tarOf, zipOf } from './archives.js';
import { temporaryFolder } from './temporary-folder.js';

/** Writes files below a folder. */
export function writeFiles(folder: string, files: Files): void {
  for (const [path, bytes] of files) {
    const target = join(folder, path);
    mkdirSync(dirname(target), { recursive: true });
    writeFileSync(target, bytes);
  }
}

/** A data folder with these files in it, or with an archive of them, and an empty cache folder. */
export function contextOf(files: Files, archive?: string): { dataDir: string; cacheDir: string } {
  const dataDir = temporaryFolder();
  if (archive === undefined) writeFiles(dataDir, files);
  else writeFileSync(join(dataDir, archive), archive.endsWith('.tar') ? tarOf(files) : zipOf(files));
  return { dataDir, cacheDir: temporaryFolder() };
}
