import { readFile } from 'node:fs/promises';
import { FormatError, MissingDataError } from '@kora-bench/core';
import type { z } from 'zod';

/**
 * Reads a file that this suite wrote.
 * @param kind in words, e.g. `record`
 * @throws MissingDataError when it is not there
 * @throws FormatError when it is truncated, corrupt or of another version
 */
export async function readJsonFile<T>(path: string, schema: z.ZodType<T>, kind: string): Promise<T> {
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
      fix: 'Run with --resume --out and this run folder to make it again.',
    });
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw corrupt((error as SyntaxError).message);
  }
  const { schemaVersion } = (value ?? {}) as { readonly schemaVersion?: unknown };
  if (schemaVersion === 1) {
    throw new FormatError(`The ${kind} was written by an older version of this suite.`, {
      where: path,
      expected: `a ${kind} with "schemaVersion": 2`,
      received: '"schemaVersion": 1',
      fix: 'Show it with the version that wrote it, or run its configuration again into a new folder.',
    });
  }
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const { path: field, message } = result.error.issues[0]!;
  throw corrupt(`${field.join('.') || 'the whole'}: ${message}`);
}
