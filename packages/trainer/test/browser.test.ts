import { readdirSync, readFileSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

/*
 * Pages train with this package, so neither it nor a module of the suite that it loads may need Node. What a
 * bundler would follow is followed here: every import, from the package's entry on.
 */

const entry = fileURLToPath(import.meta.resolve('@kora-bench/trainer'));

/** The text of a module without its comments; none of the suite's strings holds `//` or `/*`. */
function code(file: string): string {
  return readFileSync(file, 'utf8').replace(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, '');
}

/** Every module of the suite that an entry loads, with the packages of others that these import. */
function follow(start: string): { files: ReadonlySet<string>; foreign: ReadonlySet<string> } {
  const files = new Set([start]);
  const foreign = new Set<string>();
  for (const file of files) {
    for (const [, name] of code(file).matchAll(/(?:\bfrom\s*|\bimport\s*\(?\s*)['"]([^'"]+)['"]/g)) {
      if (name!.startsWith('.')) files.add(join(dirname(file), name!));
      else if (name!.startsWith('@kora-bench/')) files.add(fileURLToPath(import.meta.resolve(name!)));
      else foreign.add(name!);
    }
  }
  return { files, foreign };
}

const { files, foreign } = follow(entry);

it('loads all of its own modules, core and the part of datasets for pages', () => {
  const own = readdirSync(dirname(entry)).filter((name) => name.endsWith('.js'));
  expect(own.length).toBeGreaterThan(5);
  for (const name of own) expect(files).toContain(join(dirname(entry), name));
  expect(files).toContain(fileURLToPath(import.meta.resolve('@kora-bench/datasets/browser')));
  expect(files.size).toBeGreaterThan(60);
});

it('imports no module of Node', () => {
  expect([...foreign].filter((name) => isBuiltin(name))).toEqual([]);
  expect([...foreign]).toEqual(['zod', 'fastest-levenshtein']);
});

it('uses no global of Node', () => {
  const node = /(?<![.\w'"])(?:process|Buffer|global|__dirname|__filename|setImmediate|require)\s*[.([]/;
  expect([...files].filter((file) => node.test(code(file)))).toEqual([]);
});
