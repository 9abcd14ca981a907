import { InputError } from '@kora-bench/core';
import { writeFileAtomic } from '@kora-bench/platform-node/atomic-file';

/**
 * Writes a file of a run whole or not at all.
 * @throws InputError when the folder cannot be written
 */
export async function writeOutput(path: string, content: string): Promise<void> {
  try {
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
