import { dirname } from 'node:path';
import { InputError } from '@kora-bench/core';
import writeFileAtomic from 'write-file-atomic';
import { makeFolder } from './make-folder.js';

/**
 * Writes a file whole or not at all: to a temporary file beside it, synced to the disk, then renamed.
 * @throws InputError when the folder cannot be written
 */
export async function writeWholeFile(path: string, content: string): Promise<void> {
  try {
    makeFolder(dirname(path));
    await writeFileAtomic(path, content);
  } catch (error) {
    throw unwritable(path, error);
  }
}

/** The error for an output file or folder that the system refuses to write. */
export function unwritable(path: string, error: unknown): InputError {
  return new InputError('The output folder cannot be written.', {
    where: path,
    expected: 'a writable folder with enough space',
    received: error instanceof Error ? error.message : String(error),
    fix: 'Free space or correct the permissions, or choose another folder with --out.',
    cause: error,
  });
}
