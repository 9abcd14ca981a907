import { spawn } from 'node:child_process';
import { cpSync, mkdirSync, realpathSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Ended } from './captured-output.js';
import { collectOutput } from './captured-output.js';
import { fixture } from './fake-run.js';
import { temporaryFolder } from './tiny-cell.js';

const bin = fileURLToPath(new URL('../bin/kora-bench.js', import.meta.url));

/** Someone's own folder: the toy package and what it depends on are installed, as a package manager would leave it. */
export function ownFolder(plugins: object): string {
  const folder = temporaryFolder();
  installSuite(folder);
  cpSync(fixture('kora-toy-angle'), join(folder, 'node_modules/kora-toy-angle'), { recursive: true });
  writeFileSync(join(folder, 'kora.config.json'), `\uFEFF${JSON.stringify({ plugins })}`);
  return folder;
}

/** Installs packages of the suite in a folder, as links. */
export function installSuite(folder: string): void {
  const modules = join(folder, 'node_modules');
  mkdirSync(join(modules, '@kora-bench'), { recursive: true });
  const suite = ['core', 'datasets', 'trainer', 'backend-reference'].map((name) => `@kora-bench/${name}`);
  for (const name of [...suite, 'zod']) {
    const own = realpathSync(fileURLToPath(new URL(`../node_modules/${name}`, import.meta.url)));
    symlinkSync(own, join(modules, name), 'junction');
  }
}

/** Runs the command line in a folder. */
export function runKora(cwd: string, ...args: readonly string[]): Promise<Ended> {
  const env = {
    ...process.env,
    CI: '1',
    KORA_CACHE_DIR: join(cwd, 'cache'),
    KORA_DATA_DIR: join(cwd, 'data'),
  };
  const child = spawn(process.execPath, [bin, ...args], { cwd, env });
  return collectOutput(child).ended;
}
