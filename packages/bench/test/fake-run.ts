import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

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

export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Starts the command line with fake cells in a child process. */
export function startBench(
  cwd: string,
  ...args: readonly string[]
): { readonly child: ChildProcess; readonly ended: Promise<Ended> } {
  const child = spawn(process.execPath, [fixture('bench-with-fake-cells.mjs'), ...args], {
    cwd,
    env: { ...process.env, CI: '1', KORA_CACHE_DIR: join(cwd, 'cache'), KORA_DATA_DIR: join(cwd, 'data') },
  });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk: Buffer) => {
    stdout += chunk.toString();
  });
  child.stderr.on('data', (chunk: Buffer) => {
    stderr += chunk.toString();
  });
  const ended = new Promise<Ended>((resolve) =>
    child.on('close', (code) => resolve({ code, stdout, stderr })),
  );
  return { child, ended };
}

export const bench = (cwd: string, ...args: readonly string[]) => startBench(cwd, ...args).ended;

/** Waits until `condition` holds. */
export async function until(condition: () => boolean, what: string): Promise<void> {
  const deadline = Date.now() + 60_000;
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
