import { open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { makeFolder } from './make-folder.js';
import { temporaryName } from './temporary-name.js';

/**
 * Writes a file whole or not at all: to a temporary file beside it, synced to the disk, then renamed. Makes
 * the folder if need be.
 * @throws the system's error; whatever was at `path` is as it was
 */
export async function writeWholeFile(path: string, content: string | Uint8Array): Promise<void> {
  makeFolder(dirname(path));
  const temporary = temporaryName(path);
  try {
    const file = await open(temporary, 'wx');
    try {
      // Goes on until all is written: a single write to a full disk can end early without an error.
      await file.writeFile(content);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => undefined);
    throw error;
  }
}
