import { MissingDataError } from '@kora-bench/core';

/** The error for a file of a checkpoint that cannot be opened, with the reason and what to do about it. */
export function missingFile(path: string, howToGet: string, cause: unknown): MissingDataError {
  const absent = hasCode(cause, 'ENOENT') || hasCode(cause, 'ENOTDIR');
  return new MissingDataError(
    absent ? 'A file of the checkpoint is not there.' : 'A file of the checkpoint cannot be read.',
    {
      where: path,
      expected: 'a readable file',
      received: absent ? 'no such file' : cause instanceof Error ? cause.message : String(cause),
      fix: absent ? howToGet : 'Check the permissions of the file and its folder.',
      cause,
    },
  );
}

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}
