import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { MethodDefinition } from '@kora-bench/core/peft';
import linearProbe from '@kora-bench/method-linear-probe';
import { expect, test } from 'vitest';
import { defaultSource, runTinyCell, temporaryFolder } from './tiny-cell.js';

/** Runs a cell and says how often the splits had to hash all of their pictures. */
async function hashedIn(cacheDir: string): Promise<number> {
  const source = defaultSource();
  const method = linearProbe as MethodDefinition;
  await runTinyCell({ method, data: { source }, cacheDir, training: { epochs: 1 } });
  return source.train.hashed.times + source.test.hashed.times;
}

test('content hashes are computed once per split and cache folder', async () => {
  const cacheDir = temporaryFolder();
  expect(await hashedIn(cacheDir)).toBe(2);
  expect(await hashedIn(cacheDir)).toBe(0);
});

test.each([
  ['cut', (text: string) => text.slice(0, -70)],
  ['changed in one digit', (text: string) => text.replace(/.$/, (digit) => (digit === '0' ? '1' : '0'))],
  ['empty', () => ''],
  ['of another split', (_text: string, other: string) => other],
])('a list that is %s is computed again and replaced', async (_damage, damage) => {
  const cacheDir = temporaryFolder();
  await hashedIn(cacheDir);
  const folder = join(cacheDir, 'content-hashes');
  const paths = readdirSync(folder).map((name) => join(folder, name));
  const texts = paths.map((path) => readFileSync(path, 'utf8'));
  expect(paths).toHaveLength(2);
  for (const [i, path] of paths.entries()) writeFileSync(path, damage(texts[i]!, texts[1 - i]!));
  expect(await hashedIn(cacheDir)).toBe(2);
  expect(paths.map((path) => readFileSync(path, 'utf8'))).toEqual(texts);
});
