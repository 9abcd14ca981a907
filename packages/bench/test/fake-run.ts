import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Ended } from './captured-output.js';
import { collectOutput } from './captured-output.js';

export const fixture = (name: string) => fileURLToPath(new URL(`./fixtures/${name}`, import.meta.url));

export const temporaryFolder = () => mkdtempSync(join(tmpdir(), 'kora-bench-'));

/** Writes a suite of fake cells, one for each label, and returns its path. */
export function fakeSuite(folder: string, labels: readonly string[], changes: object = {}): string {
  const suite = JSON.parse(readFileSync(fixture('fake-suite.json'), 'utf8')) as { plugins: object };
  suite.plugins = { datasets: [fixture('plugin-data.mjs')], models: [fixture('plugin-model.mjs')] };
  // Different rates make different cells of one method.
  const methods = labels.map((label, index) => ({
    name: 'linear-probe',
    label,
    learningRate: 0.01 + index / 1000,
  }));
  const path = join(folder, 'fake.json');
  writeFileSync(path, JSON.stringify({ ...suite, methods, ...changes }));
  return path;
}

/** Starts the command line with fake cells in a child process; an object adds to its environment. */
export function startBench(
  cwd: string,
  ...words: readonly (string | NodeJS.ProcessEnv)[]
): { readonly child: ChildProcess; readonly ended: Promise<Ended> } {
  const args = words.filter((word) => typeof word === 'string');
  const changes = words.filter((word) => typeof word !== 'string');
  const folders = { KORA_CACHE_DIR: join(cwd, 'cache'), KORA_DATA_DIR: join(cwd, 'data') };
  const child = spawn(process.execPath, [fixture('bench-with-fake-cells.mjs'), ...args], {
    cwd,
    env: Object.assign({ ...process.env, CI: '1', ...folders }, ...changes) as NodeJS.ProcessEnv,
  });
  return { child, ended: collectOutput(child).ended };
}

export const bench = (cwd: string, ...args: readonly string[]) => startBench(cwd, ...args).ended;

/** Waits until `condition` holds; as long as a busy machine may need to start several processes. */
export async function until(condition: () => boolean, what: string): Promise<void> {
  const deadline = Date.now() + 100_000;
  while (!condition()) {
    if (Date.now() > deadline) throw new Error(`Waited too long for ${what}.`);
    await new Promise((wake) => setTimeout(wake, 20));
  }
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
