// Builds the command line and the packages it needs, unless nothing has changed since the last build.
// The check is a few hundred stat calls, where starting the task runner would take longer than most commands.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const stampPath = join(root, 'node_modules', '.cache', 'kora-bench', 'build-stamp');
const target = '@kora-bench/bench';

const manifest = (folder) => JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));

/** Folders of the target and of all workspace packages that it depends on. */
function neededFolders() {
  const folders = readdirSync(join(root, 'packages')).map((name) => join(root, 'packages', name));
  const byName = new Map(
    folders
      .filter((folder) => existsSync(join(folder, 'package.json')))
      .map((folder) => [manifest(folder).name, folder]),
  );
  const needed = new Set([target]);
  for (const name of needed) {
    const folder = byName.get(name);
    if (folder === undefined) throw new Error(`There is no workspace package ${name}.`);
    for (const other of Object.keys(manifest(folder).dependencies ?? {}))
      if (byName.has(other)) needed.add(other);
  }
  return [...needed].map((name) => byName.get(name));
}

/** A digest of the path, size and time of every file that a build reads; undefined if an output is missing. */
function fingerprint(folders) {
  const hash = createHash('sha256');
  const add = (path) => {
    const { size, mtimeMs } = statSync(path);
    hash.update(`${path}\0${size}\0${mtimeMs}\n`);
  };
  add(join(root, 'tsconfig.base.json'));
  for (const folder of folders) {
    // An entry without a condition is a file of the repository, not an output.
    const outputs = Object.values(manifest(folder).exports).flatMap((entry) => entry.default ?? []);
    if (!outputs.every((output) => existsSync(join(folder, output)))) return undefined;
    add(join(folder, 'package.json'));
    add(join(folder, 'tsconfig.json'));
    for (const sources of ['src', 'assembly'].map((name) => join(folder, name)).filter(existsSync)) {
      for (const entry of readdirSync(sources, { recursive: true, withFileTypes: true })) {
        if (entry.isFile()) add(join(entry.parentPath ?? entry.path, entry.name));
      }
    }
  }
  return hash.digest('hex');
}

const folders = neededFolders();
const before = fingerprint(folders);
const stamp = existsSync(stampPath) ? readFileSync(stampPath, 'utf8') : undefined;
if (before === undefined || before !== stamp) {
  const turbo = createRequire(import.meta.url).resolve('turbo/bin/turbo');
  const task = ['run', 'build', `--filter=${target}...`, '--output-logs=errors-only'];
  // Results alone belong on stdout, so the task runner's words go to stderr.
  const { status } = spawnSync(process.execPath, [turbo, ...task], {
    cwd: root,
    stdio: ['ignore', 2, 2],
    env: { ...process.env, TURBO_TELEMETRY_DISABLED: '1', TURBO_NO_UPDATE_NOTIFIER: '1' },
  });
  if (status !== 0) {
    console.error('The build failed; see above.');
    process.exit(1);
  }
  const after = fingerprint(folders);
  if (after !== undefined) {
    mkdirSync(dirname(stampPath), { recursive: true });
    writeFileSync(`${stampPath}.${process.pid}`, after);
    renameSync(`${stampPath}.${process.pid}`, stampPath);
  }
}
