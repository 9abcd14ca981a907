import { readFile } from 'node:fs/promises';
import { FormatError, MissingDataError } from '@kora-bench/core/errors';
import type { z } from 'zod';

/** The geometry and preprocessing of a checkpoint folder. */
export const configFile = 'config.json';
/** The weights of a checkpoint folder. */
export const weightsFile = 'model.safetensors';
/** Where transformers keeps the preprocessing. */
export const preprocessorFile = 'preprocessor_config.json';

/** What every checkpoint folder holds. */
export const checkpointFiles = [configFile, weightsFile] as const;

/**
 * Reads a JSON file that must satisfy `schema`.
 * @param howToGet what to do when the file is not there
 * @throws MissingDataError when the file cannot be read
 * @throws FormatError when it is not JSON, or naming the first field that the schema refuses
 */
export async function readJson<T>(path: string, schema: z.ZodType<T>, howToGet: string): Promise<T> {
  const text = await readFile(path, 'utf8').catch((cause: unknown) => {
    throw missingFile(path, howToGet, cause);
  });
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new FormatError('The file is not valid JSON.', {
      where: path,
      received: cause instanceof Error ? cause.message : String(cause),
      fix: 'Download the file again, or correct it.',
      cause,
    });
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0]!;
  throw new FormatError('A field of the checkpoint’s configuration is invalid.', {
    where: `${path}: ${issue.path.join('.') || 'the whole file'}`,
    expected: issue.message,
    received: describe(valueAt(value, issue.path)),
    fix: 'Download the file again, or correct the field.',
  });
}

function valueAt(value: unknown, path: readonly PropertyKey[]): unknown {
  let at = value;
  for (const key of path) at = typeof at === 'object' && at !== null ? Reflect.get(at, key) : undefined;
  return at;
}

function describe(value: unknown): string {
  const text = JSON.stringify(value) ?? 'nothing';
  return text.length > 80 ? `${text.slice(0, 77)}…` : text;
}

/** The error for a file of a checkpoint that cannot be opened, with the reason and what to do about it. */
export function missingFile(path: string, howToGet: string, cause: unknown): MissingDataError {
  const absent = hasCode(cause, 'ENOENT') || hasCode(cause, 'ENOTDIR');
  return new MissingDataError(
    absent ? 'A checkpoint file is missing.' : 'A checkpoint file cannot be read.',
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
