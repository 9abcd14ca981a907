import { readdir, readFile } from 'node:fs/promises';
import { basename, dirname, isAbsolute, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { InputError } from '@kora-bench/core/errors';
import { checkInput, suggestion } from '../input/check-input.js';
import { parseJsonFile } from '../input/json.js';
import { isPluginPath } from '../registry/plugins.js';
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
 * file's folder, it holds only what differs from that one: objects are merged unless they name something else, phases and analyses are merged
 * by name (one with `"remove": true` is left out), everything else is replaced. What stands under `"quick"` is laid
 * over the whole where `quick` is asked for, after what {@link quickSuite} lays over any suite.
 * @param nameOrPath a name in the package's `suites/`, or the path of a JSON file
 * @throws InputError for a suite that is missing or malformed
 */
export async function loadSuite(nameOrPath: string, quick = false, cwd = process.cwd()): Promise<Suite> {
  const path = await suitePath(nameOrPath, '--suite', cwd);
  const own = await readChain(path, []);
  refuseOldForm(own, path);
  const { quick: ownQuick = {}, ...whole } = own;
  if (!isObject(ownQuick)) refuseQuick(ownQuick, path);
  const isQuick = quick && path !== quickPath;
  const overlay = isQuick
    ? merged(changesOnly(withoutExtends(await readObject(quickPath)), whole), ownQuick as Json)
    : {};
  const name = basename(path, '.json');
  return {
    name: isQuick ? `${name}-quick` : name,
    config: checkInput(runConfigSchema, merged(merged({}, whole), overlay), {
      file: path,
      whereFieldsCome: 'or take what is missing from another suite with "extends": "default"',
    }),
  };
}

/** Changes without those of phases and analyses that a suite does not have. */
function changesOnly(changes: Json, suite: Json): Json {
  const kept = Object.entries(changes).map(([key, value]) => {
    const own = suite[key];
    if (!mergedByName.has(key) || !Array.isArray(value)) return [key, value];
    const names = Array.isArray(own) ? own.map(nameOf) : [];
    return [key, value.filter((entry) => names.includes(nameOf(entry)))];
  });
  return Object.fromEntries(kept);
}

function refuseQuick(received: unknown, path: string): never {
  throw new InputError('"quick" is not valid.', {
    where: `quick in ${path}`,
    expected: 'an object of the fields that --quick changes',
    received: JSON.stringify(received),
    fix: 'Write them between { and }, as in the suite itself.',
  });
}

/** Suites of the first form named tasks and data sets where phases stand now. */
function refuseOldForm(suite: Json, path: string): void {
  const old = ['model', 'source', 'target', 'depth', 'tasks', 'protocols', 'transfer', 'depthTraining'];
  const found = old.filter((field) => Object.hasOwn(suite, field));
  if (found.length === 0) return;
  throw new InputError('The suite is in a form that is no longer read.', {
    where: `${found.join(', ')} in ${path}`,
    expected: '"models", and "phases" with a task, data and a protocol each',
    received: found.map((field) => `"${field}"`).join(', '),
    fix: 'Describe each task as a phase; suites/default.json is an example, and "extends": "default" can do the rest.',
  });
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
  const own = pluginsFrom(dirname(path), await readObject(path));
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

/** A suite's plugins with their paths taken from its folder. What is malformed is left to the schema. */
function pluginsFrom(folder: string, suite: Json): Json {
  const { plugins } = suite;
  if (!isObject(plugins)) return suite;
  const absolute = (name: unknown) =>
    typeof name === 'string' && isPluginPath(name) ? resolve(folder, name) : name;
  const kinds = Object.entries(plugins).map(([kind, names]) => [
    kind,
    Array.isArray(names) ? names.map(absolute) : names,
  ]);
  return { ...suite, plugins: Object.fromEntries(kinds) };
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
  if (isObject(value)) {
    for (const key of mergedByName) refuseTwins(value[key], `${key} in ${path}`);
    return value;
  }
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
    if (isObject(below) && isObject(value))
      result[key] = namesAnother(key, below, value) ? value : merged(below, value);
    else if (mergedByName.has(key) && Array.isArray(value))
      result[key] = mergedEntries(Array.isArray(below) ? below : [], value);
    else result[key] = value;
  }
  return result;
}

/** The options of one protocol, task or optimiser mean nothing to another. */
function namesAnother(key: string, below: Json, over: Json): boolean {
  const field = key === 'optimizer' ? 'kind' : 'name';
  const [before, now] = [below[field], over[field]];
  return typeof before === 'string' && typeof now === 'string' && before !== now;
}

/** Lists whose entries have names: an entry changes the one of its name, or is added behind. */
const mergedByName: ReadonlySet<string> = new Set(['phases', 'analyses']);

/** In one file the second of a name would change the first, which is hardly what was meant. */
function refuseTwins(entries: unknown, where: string): void {
  if (!Array.isArray(entries)) return;
  const names = entries.map(nameOf);
  const twin = names.find((name, index) => typeof name === 'string' && names.indexOf(name) !== index);
  if (twin === undefined) return;
  throw new InputError(`Two entries are named "${String(twin)}".`, {
    where,
    expected: 'names that are used once',
    received: names.join(', '),
    fix: 'Rename one of them, or write both as one.',
  });
}

function mergedEntries(base: readonly unknown[], over: readonly unknown[]): unknown[] {
  const result = [...base];
  for (const entry of over) {
    const at = result.findIndex((below) => nameOf(below) !== undefined && nameOf(below) === nameOf(entry));
    const below = result[at];
    if (isObject(entry) && entry['remove'] === true) {
      if (at >= 0) result.splice(at, 1);
    } else if (at < 0) result.push(entry);
    else if (isObject(entry)) result[at] = isObject(below) ? merged(below, entry) : entry;
  }
  return result;
}

function nameOf(entry: unknown): unknown {
  return isObject(entry) ? entry['name'] : entry;
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
