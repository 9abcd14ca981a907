import { existsSync, mkdirSync, statSync } from 'node:fs';
import { open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';

/**
 * Writes a file atomically: to a temporary file beside it, synced to the disk, then renamed. A reader, and
 * whoever starts again after a crash, finds the old content or the new one, never a part. Makes the folder if
 * need be.
 * @param path the file, absolute or relative to the working directory
 * @param content text, written as UTF-8, or bytes
 * @throws the system's error; whatever was at `path` is as it was
 */
export async function writeFileAtomic(path: string, content: string | Uint8Array): Promise<void> {
  makeFolder(dirname(path));
  const temporary = temporaryPath(path);
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

/**
 * A path beside `path` that no other process or call uses, for a file or folder that is written in several
 * steps and renamed to `path` at the end. Being in the same folder, the rename is atomic.
 */
export function temporaryPath(path: string): string {
  temporaryPaths++;
  return `${path}.${process.pid}-${temporaryPaths}.tmp`;
}

let temporaryPaths = 0;

/**
 * Makes a folder and those above it. Node's own recursive mkdir never ends where the system denies that a
 * folder can exist although its parent does, as below /proc.
 * @throws the system's error when that is not possible
 */
export function makeFolder(path: string): void {
  try {
    mkdirSync(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST' && statSync(path).isDirectory()) return;
    if (code !== 'ENOENT' || existsSync(dirname(path))) throw error;
    makeFolder(dirname(path));
    makeFolder(path);
  }
}
