import { readFile } from 'node:fs/promises';
import { FormatError } from '@kora-bench/core/errors';
import { z } from 'zod';
import { missingFile } from './checkpoint-files.js';

/* Fields of the configurations of timm and transformers, with what is expected in words. */

export const flag = z.boolean('true or false');
export const text = z.string('a text');
export const positiveInt = z.int('an integer from 1').min(1, 'an integer from 1');
export const positive = z.number('a number above 0').positive('a number above 0');
/** A factor that pixels are multiplied or divided by, within what leaves them numbers. */
export const scale = z
  .number('a number from 1e-6 to 1e6')
  .min(1e-6, 'a number from 1e-6 to 1e6')
  .max(1e6, 'a number from 1e-6 to 1e6');
const shift = z.number().min(-1e6).max(1e6);
export const triple = perChannel(shift, 'three numbers from -1e6 to 1e6');
export const positiveTriple = perChannel(scale, 'three numbers from 1e-6 to 1e6');

/** A number for each channel; both libraries take a single one for all. */
function perChannel(number: z.ZodType<number>, words: string) {
  const three = z.tuple([number, number, number], words);
  const one = z.union([number, z.tuple([number]).transform(([value]) => value)]);
  return z.union([three, one.transform((value): [number, number, number] => [value, value, value])], words);
}

/** Height and width, given as one number or two. */
export const sides = z
  .union([positiveInt, z.tuple([positiveInt, positiveInt])], 'an integer from 1, or two')
  .transform((value): readonly [number, number] => (typeof value === 'number' ? [value, value] : value));

/**
 * Reads a JSON file that must satisfy `schema`. A field that is `null` is taken as absent, as both libraries mean it.
 * @param howToGet what to do when the file is not there
 * @throws MissingDataError when the file cannot be read
 * @throws FormatError when it is not JSON, or naming the first field that the schema refuses
 */
export async function readJson<T>(path: string, schema: z.ZodType<T>, howToGet: string): Promise<T> {
  const content = await readFile(path, 'utf8').catch((cause: unknown) => {
    throw missingFile(path, howToGet, cause);
  });
  let value: unknown;
  try {
    value = withoutNulls(JSON.parse(content));
  } catch (cause) {
    throw new FormatError('The file is not valid JSON.', {
      where: path,
      received: cause instanceof Error ? cause.message : String(cause),
      expected: 'JSON, as the library wrote it',
      fix: 'Download the file again, or save the model again.',
      cause,
    });
  }
  const parsed = schema.safeParse(value, { error: inWords });
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0]!;
  const field = pathInFile(value, issue.path);
  const received = valueAt(value, field);
  throw new FormatError(
    received === undefined
      ? 'The checkpoint’s configuration lacks a field.'
      : 'A field of the checkpoint’s configuration has a value that it cannot have.',
    {
      where: `${path}: ${field.join('.') || 'the whole file'}`,
      expected: field.length === 0 ? 'a JSON object with the model’s configuration' : issue.message,
      received: describe(received),
      fix: 'Use the file as the library wrote it: download it again, or save the model again.',
    },
  );
}

/** What is expected where a field's schema does not say it. */
function inWords(issue: z.core.$ZodRawIssue): string {
  const names: Readonly<Record<string, string>> = {
    array: 'a list',
    boolean: 'true or false',
    int: 'a whole number',
    number: 'a number',
    object: 'an object with fields',
    record: 'an object with fields',
    string: 'a text',
    tuple: 'a list',
  };
  if (issue.code === 'invalid_type') return names[issue.expected] ?? `a value of the type ${issue.expected}`;
  if (issue.code === 'too_small') return `at least ${issue.minimum}`;
  if (issue.code === 'too_big') return `at most ${issue.maximum}`;
  return 'another value';
}

/** Older releases of timm write at the root what newer ones nest: the field is named where the file has it. */
function pathInFile(value: unknown, path: readonly PropertyKey[]): readonly PropertyKey[] {
  const nested =
    path.length > 1 && typeof value === 'object' && value !== null && !Object.hasOwn(value, path[0]!);
  return nested ? path.slice(1) : path;
}

function withoutNulls(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(withoutNulls);
  const set = Object.entries(value).filter(([, field]) => field !== null);
  return Object.fromEntries(set.map(([name, field]) => [name, withoutNulls(field)]));
}

function valueAt(value: unknown, path: readonly PropertyKey[]): unknown {
  let at = value;
  for (const key of path) at = typeof at === 'object' && at !== null ? Reflect.get(at, key) : undefined;
  return at;
}

function describe(value: unknown): string {
  const written = JSON.stringify(value) ?? 'nothing';
  return written.length > 80 ? `${written.slice(0, 77)}…` : written;
}
