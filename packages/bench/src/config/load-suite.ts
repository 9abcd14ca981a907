import { readdir, readFile } from 'node:fs/promises';
import { basename, dirname, isAbsolute, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { InputError } from '@kora-bench/core';
import { suggestion } from '../registry/nearest-name.js';
import { checkInput } from './check-input.js';
import { parseJsonFile } from './parse-json-file.js';
import type { RunConfig } from './run-config.js';
import { runConfigSchema } from './run-config.js';

/** The folder of the suites that come with the package. */
export const suitesFolder = fileURLToPath(new URL('../../suites/', import.meta.url));

/** What `--quick` lays over any suite. */
export const quickSuite = 'quick';

export interface Suite {
  /** For the run folder's name. */
  readonly name: string;
  readonly config: RunConfig;
}

type Json = Readonly<Record<string, unknown>>;

/** Names of the suites that come with the package. */
export async function suiteNames(): Promise<string[]> {
  const files = await readdir(suitesFolder);
  return files
    .filter((file) => file.endsWith('.json'))
    .map((file) => basename(file, '.json'))
    .sort();
}

/**
 * Reads a suite: a JSON file of a run's configuration. With `"extends"`, a suite's name or a path from the
 * file's folder, it holds only what differs from that one: objects are merged, everything else replaced.
 * @param nameOrPath a name in the package's `suites/`, or the path of a JSON file
 * @throws InputError for a suite that is missing or malformed
 */
export async function loadSuite(nameOrPath: string, quick = false, cwd = process.cwd()): Promise<Suite> {
  const path = await suitePath(nameOrPath, '--suite', cwd);
  const own = await readChain(path, []);
  const overlay = quick && path !== quickPath ? withoutExtends(await readObject(quickPath)) : {};
  const name = basename(path, '.json');
  return {
    name: quick && path !== quickPath ? `${name}-quick` : name,
    config: checkInput(runConfigSchema, merged(own, overlay), {
      file: path,
      whereFieldsCome: 'or take what is missing from another suite with "extends": "default"',
    }),
  };
}

const quickPath = join(suitesFolder, `${quickSuite}.json`);

async function suitePath(nameOrPath: string, where: string, folder: string): Promise<string> {
  if (/\.json$/i.test(nameOrPath) || /[/\\]/.test(nameOrPath)) {
    return isAbsolute(nameOrPath) ? nameOrPath : resolve(folder, nameOrPath);
  }
  const names = await suiteNames();
  if (names.includes(nameOrPath)) return join(suitesFolder, `${nameOrPath}.json`);
  throw new InputError(`There is no suite "${nameOrPath}".`, {
    where,
    expected: `one of ${names.join(', ')}, or the path of a JSON file`,
    received: nameOrPath,
    fix: suggestion(nameOrPath, names, 'Choose one of these, or write a suite of your own.'),
  });
}

async function readChain(path: string, seen: readonly string[]): Promise<Json> {
  if (seen.includes(path)) {
    throw new InputError('The suites extend each other in a circle.', {
      where: `extends in ${path}`,
      expected: 'a suite that does not extend this one',
      received: [...seen, path].join(' → '),
      fix: 'Remove one of these "extends".',
    });
  }
  const own = await readObject(path);
  if (own.extends === undefined) return own;
  if (typeof own.extends !== 'string') {
    throw new InputError('"extends" is not valid.', {
      where: `extends in ${path}`,
      expected: 'the name or path of a suite',
      received: JSON.stringify(own.extends),
      fix: 'Name a suite, e.g. "default".',
    });
  }
  const base = await suitePath(own.extends, `extends in ${path}`, dirname(path));
  return merged(await readChain(base, [...seen, path]), withoutExtends(own));
}

async function readObject(path: string): Promise<Json> {
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw new InputError('The suite cannot be read.', {
      where: path,
      expected: 'a readable JSON file',
      received: error.code === 'ENOENT' ? 'no such file' : error.message,
      fix: 'Check the path given to --suite.',
    });
  });
  const value = parseJsonFile(text, path);
  if (isObject(value)) return value;
  throw new InputError('The suite is not valid.', {
    where: path,
    expected: 'an object',
    received: Array.isArray(value) ? 'a list' : JSON.stringify(value),
    fix: 'Write the fields of a run’s configuration between { and }.',
  });
}

function withoutExtends({ extends: _, ...rest }: Json): Json {
  return rest;
}

function merged(base: Json, over: Json): Json {
  const result: Record<string, unknown> = { ...base };
  for (const [key, value] of Object.entries(over)) {
    const below = result[key];
    result[key] = isObject(below) && isObject(value) ? merged(below, value) : value;
  }
  return result;
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
