import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { main } from '@kora-bench/bench/cli';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { captureOutput } from './captured-output.js';
import { fakeSuite, temporaryFolder } from './fake-run.js';

/*
 * Every case ends with exit code 2 and the four facts: where, what was expected, what came, the fix. No
 * cell is started: the program of a cell's process does not exist.
 */

/** Where commands run. */
const folder = temporaryFolder();
const written = captureOutput();
const home = process.cwd();
/** A suite whose only method is `done`, on data and a model of its own. */
export const suite = fakeSuite(folder, ['done']);
/** Writes a file there. @returns its path */
export const file = (name: string, content: unknown) => {
  const path = join(folder, name);
  writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content));
  return path;
};
/** The suite with some fields changed, in a file of its own. */
export const extending = (name: string, changes: object) => file(name, { extends: suite, ...changes });

beforeAll(() => {
  process.chdir(folder);
  vi.stubEnv('KORA_DATA_DIR', join(folder, 'no-data'));
  vi.stubEnv('KORA_CACHE_DIR', join(folder, 'cache'));
});
afterAll(() => process.chdir(home));

/** What a command says that ends with exit code 2 and leaves nothing behind. */
export async function complaint(...args: readonly string[]): Promise<string> {
  Object.assign(written, { stdout: '', stderr: '' });
  const code = await main(args, { cellEntry: join(folder, 'no-such-program.js') });
  const { stdout, stderr } = written;
  expect(stdout).toBe('');
  expect(stderr).not.toMatch(/^\s+at /m);
  expect({ code, stderr }).toMatchObject({ code: 2 });
  // Nothing was begun that would have to be cleared away.
  expect(existsSync(join(folder, 'runs'))).toBe(false);
  return stderr;
}

/** By what is wrong: the words of the command, and what it says. */
export type Cases = Readonly<Record<string, readonly [args: string[], ...says: RegExp[]]>>;

export function testComplaints(cases: Cases): void {
  for (const [name, [args, ...says]] of Object.entries(cases)) {
    test(name, async () => {
      const stderr = await complaint(...args);
      for (const pattern of says) expect(stderr).toMatch(pattern);
    });
  }
}
