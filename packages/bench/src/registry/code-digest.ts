import { createHash } from 'node:crypto';
import { existsSync, readFileSync, realpathSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { isBuiltin } from 'node:module';
import { dirname, join, relative, sep } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { InputError } from '@kora-bench/core/errors';
import { placesOf } from './suite-packages.js';

/*
 * What code a plugin is made of, as one digest: numbers that were made by other code are other numbers. Files count
 * by their content. Published packages, below `node_modules`, count by name and version and are not looked into: a
 * version is never published twice. So do the packages of this suite in a checkout, which nobody wants to see run
 * everything again after each build: the record has the checkout's commit and whether it was dirty.
 *
 * Followed are `import`, `export … from` and `import()` of a literal. What a module fetches by other means, with
 * `require` or by reading files while it works, is not seen.
 */

/** A plugin's module. */
export interface PluginModule {
  /** How the configuration calls the plugin, for errors. */
  readonly name: string;
  readonly url: string;
}

type Resolve = (specifier: string, parent: string) => string;

/**
 * The digest (SHA-256, hexadecimal) of all code that a plugin's module loads; the same wherever its folder lies.
 * @throws InputError for a file that cannot be read or parsed
 */
export async function codeDigest(plugin: PluginModule): Promise<string> {
  const { resolve } = await import('import-meta-resolve');
  const path = fileURLToPath(plugin.url);
  const entry = existsSync(path) ? realpathSync(path) : path;
  const parts = new Set<string>();
  const seen = new Set([entry]);
  // A set goes on over what is added while it is walked.
  for (const file of seen) {
    const known = packageByVersion(file, entry);
    if (known !== undefined) {
      parts.add(`package ${known}`);
      continue;
    }
    const content = await readModule(file, plugin);
    parts.add(`file ${placeOf(file, entry)} ${sha256(content)}`);
    for (const specifier of await importsOf(file, content, plugin)) {
      const found = resolveFile(specifier, file, resolve);
      // A package that is tried and may be missing decides too: once it is installed, other code runs.
      if (found === undefined) parts.add(`missing ${specifier}`);
      else if (found !== 'elsewhere') seen.add(found);
    }
  }
  return sha256([...parts].sort().join('\n'));
}

interface Manifest {
  readonly folder: string;
  readonly name?: unknown;
  readonly version?: unknown;
}

/** The nearest `package.json` above a file that has this field, a text. */
export function nearestManifest(file: string, field: 'name' | 'version'): Manifest | undefined {
  for (let folder = dirname(file); ; folder = dirname(folder)) {
    const path = join(folder, 'package.json');
    if (existsSync(path)) {
      const manifest = JSON.parse(readFileSync(path, 'utf8')) as Omit<Manifest, 'folder'>;
      if (typeof manifest[field] === 'string') return { ...manifest, folder };
    }
    if (folder === dirname(folder)) return undefined;
  }
}

/** The folder that holds the packages of this suite, where it is a checkout. */
const suiteFolder = realpathSync(fileURLToPath(new URL('../../../', import.meta.url)));

/** `name@version` for a file of a package that its version describes; undefined for one that counts by content. */
function packageByVersion(file: string, entry: string): string | undefined {
  const { folder, name, version } = nearestManifest(file, 'name') ?? {};
  if (folder === undefined || typeof name !== 'string' || typeof version !== 'string') return undefined;
  const published = folder.split(sep).includes('node_modules');
  const ofSuite = folder.startsWith(suiteFolder + sep) && name.startsWith('@kora-bench/');
  // A plugin that is developed inside the checkout is still the plugin.
  const own = folder === nearestManifest(entry, 'name')?.folder;
  return published || (ofSuite && !own) ? `${name}@${version}` : undefined;
}

/** A file's place as seen from the plugin, or from the root of another package, which may lie anywhere. */
function placeOf(file: string, entry: string): string {
  const other = nearestManifest(file, 'name');
  const path =
    other === undefined || other.folder === nearestManifest(entry, 'name')?.folder
      ? relative(dirname(entry), file)
      : join(String(other.name), relative(other.folder, file));
  return path.split(sep).join('/');
}

async function readModule(file: string, plugin: PluginModule): Promise<Buffer> {
  return readFile(file).catch((error: unknown) => {
    throw unreadable(file, plugin, error);
  });
}

/** What a module imports, as it is written there. */
async function importsOf(file: string, content: Buffer, plugin: PluginModule): Promise<readonly string[]> {
  // These import nothing that could be followed.
  if (/\.(json|wasm|node|cjs)$/.test(file)) return [];
  const { init, parse } = await import('es-module-lexer');
  await init;
  try {
    const [imports] = parse(content.toString('utf8'), file);
    return imports.flatMap(({ n: specifier }) => (specifier === undefined ? [] : [specifier]));
  } catch (error) {
    throw unreadable(file, plugin, error);
  }
}

/** The real path of a module; `elsewhere` for what is no file, and undefined where there is nothing. */
function resolveFile(specifier: string, from: string, resolve: Resolve): string | undefined {
  if (isBuiltin(specifier)) return 'elsewhere';
  for (const place of placesOf(specifier, pathToFileURL(from).href)) {
    try {
      const url = new URL(resolve(specifier, place!));
      return url.protocol === 'file:' ? realpathSync(fileURLToPath(url)) : 'elsewhere';
    } catch {
      // The next place may have it.
    }
  }
  return undefined;
}

function unreadable(file: string, { name }: PluginModule, error: unknown): InputError {
  return new InputError(`The code of the plugin "${name}" cannot be read.`, {
    where: file,
    expected: 'a module that can be read: what code made a number is part of its record',
    received: error instanceof Error ? error.message.split('\n', 1)[0]! : String(error),
    fix: 'Correct the file or its permissions.',
    cause: error,
  });
}

function sha256(content: string | Buffer): string {
  return createHash('sha256').update(content).digest('hex');
}
