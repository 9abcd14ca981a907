import { lstat, readFile, readlink } from 'node:fs/promises';
import { FormatError, KoraError } from '@kora-bench/core/errors';

/*
 * What the system says of a file that cannot be read, in words that help.
 */

interface Cause {
  readonly received: string;
  readonly fix: string;
}

const causes: Readonly<Record<string, Cause>> = {
  EACCES: {
    received: 'permission denied',
    fix: 'Check the permissions of the file and of the folders around it.',
  },
  EPERM: {
    received: 'permission denied',
    fix: 'Check the permissions of the file and of the folders around it.',
  },
  ELOOP: {
    received: 'a symbolic link that leads back to itself',
    fix: 'Remove the link, or let it name a file.',
  },
  ENOENT: {
    received: 'nothing: it was there when its folder was listed, or it is named elsewhere',
    fix: 'Leave the folder unchanged during a run, or put the file back.',
  },
  ENOTDIR: { received: 'a file where a folder should be', fix: 'Correct the path.' },
  EISDIR: { received: 'a folder where a file should be', fix: 'Rename or remove the folder.' },
  ENAMETOOLONG: { received: 'a path that the system finds too long', fix: 'Shorten the path.' },
  EMFILE: { received: 'too many open files', fix: 'Raise the limit of open files: ulimit -n 4096.' },
  ENFILE: {
    received: 'too many open files',
    fix: 'Close other programs, or raise the system’s limit of open files.',
  },
  EIO: { received: 'an input error of the disk', fix: 'Check the disk, and get the file again.' },
  ESTALE: { received: 'a network folder that went away', fix: 'Mount the network folder again.' },
  ETIMEDOUT: { received: 'a network folder that does not answer', fix: 'Mount the network folder again.' },
};

/**
 * The error for a file or folder that the system refuses to read, by its path and with a fix for this cause.
 *
 * @param expected what was to be done, e.g. `a file that can be read`
 */
export async function unreadable(
  path: string,
  error: unknown,
  expected = 'a file that can be read',
): Promise<KoraError> {
  if (error instanceof KoraError) return error;
  const code = (error as NodeJS.ErrnoException).code ?? '';
  const cause = (code === 'ENOENT' ? await danglingLink(path) : undefined) ?? causes[code];
  return new FormatError('A file or folder cannot be read.', {
    where: path,
    expected,
    received: cause?.received ?? (error instanceof Error ? error.message : String(error)),
    fix: cause?.fix ?? 'See that this file can be opened by another program, or remove it.',
    cause: error,
  });
}

/** The bytes of a file. @throws FormatError when it cannot be read */
export async function readWhole(path: string): Promise<Buffer<ArrayBuffer>> {
  try {
    return await readFile(path);
  } catch (error) {
    throw await unreadable(path, error);
  }
}

async function danglingLink(path: string): Promise<Cause | undefined> {
  try {
    if (!(await lstat(path)).isSymbolicLink()) return undefined;
    return {
      received: `a symbolic link to ${await readlink(path)}, where nothing is`,
      fix: 'Fetch the file that it names (dvc pull, git annex get), or remove the link.',
    };
  } catch {
    return undefined;
  }
}

/** The parts of a `Stats` or a `Dirent` that tell what something is. */
interface FileKind {
  isFile(): boolean;
  isFIFO(): boolean;
  isSocket(): boolean;
  isDirectory(): boolean;
}

/** The error for what is there and is no file: reading it could wait forever. */
export function notAFile(path: string, kind: FileKind): FormatError {
  const received = kind.isFIFO()
    ? 'a named pipe'
    : kind.isSocket()
      ? 'a socket'
      : kind.isDirectory()
        ? 'a folder'
        : 'a device';
  return new FormatError('This is not a file.', {
    where: path,
    expected: 'a file',
    received,
    fix: 'Remove it from the folder, or name another path.',
  });
}
