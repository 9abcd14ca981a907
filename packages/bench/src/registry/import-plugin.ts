import { existsSync, readFileSync } from 'node:fs';
import { isAbsolute, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { firstLine, InputError } from '@kora-bench/core';

/** Whether a plugin's name is a path: absolute, or starting with a dot. */
export function isPluginPath(name: string): boolean {
  return isAbsolute(name) || /^\.{1,2}([/\\]|$)/.test(name);
}

/**
 * Imports a plugin: a module's path (from `cwd`), a package's folder, or the name of a package that is
 * installed where `cwd` sees it.
 * @throws InputError when it is not there or cannot be imported
 */
export async function importPlugin(
  name: string,
  where: string,
  cwd: string,
): Promise<Record<string, unknown>> {
  const { resolve: resolveSpecifier } = await import('import-meta-resolve');
  try {
    const from = pathToFileURL(join(cwd, 'kora.config.json')).href;
    const url = isPluginPath(name)
      ? moduleUrl(resolve(cwd, name), resolveSpecifier)
      : resolveSpecifier(name, from);
    return (await import(url)) as Record<string, unknown>;
  } catch (error) {
    throw new InputError(`The plugin "${name}" cannot be imported.`, {
      where,
      expected: 'an installed package, or the path of a module or of a package’s folder',
      received: firstLine(error),
      fix: isPluginPath(name)
        ? `Check the path; it is taken from ${cwd}. A package must be built first.`
        : `Install the package where ${cwd} finds it, or give its path, e.g. ./${name}.`,
      cause: error,
    });
  }
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
