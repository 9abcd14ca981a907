import { existsSync, readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { isAbsolute, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { InputError } from '@kora-bench/core/errors';
import { z } from 'zod';
import { checkInput } from '../input/check-input.js';
import { parseJsonFile } from '../input/json.js';
import { shareSuitePackages } from './suite-packages.js';

/** The kinds of things that packages register. */
export const registryKinds = ['methods', 'backends', 'models', 'datasets', 'tasks', 'protocols'] as const;
export type RegistryKind = (typeof registryKinds)[number];

/** Packages (by name or path) that register more of each kind. */
export const pluginsSchema = z.strictObject({
  methods: z.array(z.string()).default([]),
  backends: z.array(z.string()).default([]),
  models: z.array(z.string()).default([]),
  datasets: z.array(z.string()).default([]),
  tasks: z.array(z.string()).default([]),
  protocols: z.array(z.string()).default([]),
});
export type Plugins = z.infer<typeof pluginsSchema>;

export const noPlugins: Plugins = pluginsSchema.parse({});

/** The file that registers plugins for every command that is run in its folder. */
export const pluginsFile = 'kora.config.json';

const fileSchema = z.strictObject({ $schema: z.string().optional(), plugins: pluginsSchema.prefault({}) });

/**
 * The plugins that `kora.config.json` in `cwd` names; none when there is no such file.
 * @throws InputError for a malformed file
 */
export async function readPluginsFile(cwd = process.cwd()): Promise<Plugins> {
  const path = join(cwd, pluginsFile);
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null;
    throw error;
  });
  if (text === null) return noPlugins;
  return checkInput(fileSchema, parseJsonFile(text, path), { file: path }).plugins;
}

/** Joins two lists of plugins, without repetitions, with paths made absolute so that any process finds them. */
export function joinPlugins(first: Plugins, second: Plugins, cwd = process.cwd()): Plugins {
  const joined = (kind: RegistryKind) => [
    ...new Set(
      [...first[kind], ...second[kind]].map((name) => (isPluginPath(name) ? resolve(cwd, name) : name)),
    ),
  ];
  return Object.fromEntries(registryKinds.map((kind) => [kind, joined(kind)])) as Plugins;
}

/** Whether a plugin's name is a path: absolute, or starting with a dot. */
export function isPluginPath(name: string): boolean {
  return isAbsolute(name) || /^\.{1,2}([/\\]|$)/.test(name);
}

/** A plugin's module, and where it was found. */
export interface ImportedPlugin {
  readonly exports: Readonly<Record<string, unknown>>;
  /** The URL of the module. */
  readonly url: string;
}

/**
 * Imports a plugin: a module's path (from `cwd`), a package's folder, or the name of a package that is
 * installed where `cwd` sees it.
 * @throws InputError when it is not there, or throws while it is loaded
 */
export async function importPlugin(name: string, where: string, cwd: string): Promise<ImportedPlugin> {
  const { resolve: resolveSpecifier } = await import('import-meta-resolve');
  let url: string | undefined;
  try {
    const from = pathToFileURL(join(cwd, pluginsFile)).href;
    url = isPluginPath(name) ? moduleUrl(resolve(cwd, name), resolveSpecifier) : resolveSpecifier(name, from);
    shareSuitePackages();
    return { url, exports: (await import(url)) as Record<string, unknown> };
  } catch (error) {
    const code = (error as NodeJS.ErrnoException | undefined)?.code ?? '';
    const missing = url === undefined || /^ERR_(MODULE|UNSUPPORTED|PACKAGE|INVALID)/.test(code);
    throw new InputError(
      missing ? `The plugin "${name}" cannot be imported.` : `The plugin "${name}" throws when it is loaded.`,
      {
        where,
        expected: missing
          ? 'an installed package, or the path of a module or of a package’s folder'
          : 'a module that can be imported',
        received: error instanceof Error ? error.message.split('\n', 1)[0]! : String(error),
        fix: !missing
          ? `Correct the plugin${placeOf(error)}.`
          : isPluginPath(name)
            ? `Check the path; it is taken from ${cwd}. A package must be built first.`
            : `Install the package where ${cwd} finds it, or give its path, e.g. ./${name}.`,
        cause: error,
      },
    );
  }
}

/** ` at file:line:column`, the innermost place in a stack. */
function placeOf(error: unknown): string {
  const line = error instanceof Error ? /(file:\/\/\S+?:\d+:\d+)/.exec(error.stack ?? '') : null;
  return line === null ? '' : ` at ${line[1]}`;
}

function moduleUrl(path: string, resolveSpecifier: (specifier: string, parent: string) => string): string {
  if (!existsSync(join(path, 'package.json'))) return pathToFileURL(path).href;
  // A package can always import itself by name, which honours its "exports".
  const own = pathToFileURL(join(path, 'package.json'));
  const manifest = JSON.parse(readFileSync(own, 'utf8')) as {
    name?: string;
    exports?: unknown;
    main?: string;
  };
  if (manifest.exports !== undefined && manifest.name !== undefined)
    return resolveSpecifier(manifest.name, own.href);
  return new URL(manifest.main ?? 'index.js', own).href;
}
