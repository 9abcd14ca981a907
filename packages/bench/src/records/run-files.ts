import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { FormatError, InputError, MissingDataError } from '@kora-bench/core/errors';
import { writeFileAtomic } from '@kora-bench/platform-node/atomic-file';
import type { z } from 'zod';
import { checkInput } from '../input/check-input.js';

export const recordsFolder = (runDir: string) => join(runDir, 'records');
export const recordPath = (runDir: string, cellId: string) => join(recordsFolder(runDir), `${cellId}.json`);
/** Trained weights, where they are kept. */
export const weightsFolder = (runDir: string) => join(runDir, 'weights');
export const planPath = (runDir: string) => join(runDir, 'run.json');
export const reportPath = (runDir: string) => join(runDir, 'report.html');
export const lockPath = (runDir: string) => join(runDir, '.lock');
/** What a failed cell's process printed. */
export const logPath = (runDir: string, cellId: string) => join(runDir, 'logs', `${cellId}.log`);

/** A part of a file's name. */
export const filePart = (part: string): string => part.replace(/[^a-z0-9]+/gi, '-');

/**
 * Writes a file of a run atomically.
 * @throws InputError when the folder cannot be written
 */
export async function writeOutput(path: string, content: string | Uint8Array): Promise<void> {
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

/** What a file is, for errors. */
export interface FileKind {
  /** In words, e.g. `record`. */
  readonly kind: string;
  /** What to do where it is damaged. */
  readonly fix: string;
  /** The `schemaVersion` that this version writes; that of runs and records by default. */
  readonly version?: number;
}

/**
 * Reads a file that this suite wrote.
 * @throws MissingDataError when it is not there
 * @throws FormatError when it is truncated, corrupt or of another version
 */
export async function readJsonFile<T>(
  path: string,
  schema: z.ZodType<T>,
  { kind, fix, version = 2 }: FileKind,
): Promise<T> {
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw new MissingDataError(`The ${kind} cannot be read.`, {
      where: path,
      expected: `a ${kind}`,
      received: error.code === 'ENOENT' ? 'no such file' : error.message,
      fix: 'Check the path of the run folder.',
    });
  });
  const corrupt = (received: string) =>
    new FormatError(`The ${kind} is not valid.`, {
      where: path,
      expected: `a whole ${kind} as this version writes it`,
      received,
      fix,
    });
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw corrupt((error as SyntaxError).message);
  }
  const { schemaVersion } = (value ?? {}) as { readonly schemaVersion?: unknown };
  if (typeof schemaVersion === 'number' && schemaVersion < version) {
    throw new FormatError(`The ${kind} was written by an older version of this suite.`, {
      where: path,
      expected: `a ${kind} with "schemaVersion": ${version}`,
      received: `"schemaVersion": ${schemaVersion}`,
      fix: 'Show it with the version that wrote it, or run its configuration again into a new folder.',
    });
  }
  if (typeof schemaVersion === 'number' && schemaVersion > version) {
    throw new FormatError(`The ${kind} was written by a newer version of this suite.`, {
      where: path,
      expected: `a ${kind} with "schemaVersion": ${version}`,
      received: `"schemaVersion": ${schemaVersion}`,
      fix: 'Read it with that version: update the suite.',
    });
  }
  try {
    return checkInput(schema, value);
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    const { where, received, expected } = error;
    const field = where === undefined || where === 'configuration' ? 'the whole' : where;
    throw corrupt(`${field} is ${received} instead of ${expected}`);
  }
}
