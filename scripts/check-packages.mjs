/**
 * Checks that every package can be published: packs them all, looks into the archives, installs them into an
 * empty project with npm, runs a cell there, and a method that `new-method` makes. Needs built packages.
 *
 *     node scripts/check-packages.mjs
 */
import { execFileSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { pack, publishedPackages } from './pack-packages.mjs';

const work = mkdtempSync(join(tmpdir(), 'kora-packages-'));
const problems = [];

function run(command, args, cwd) {
  return execFileSync(command, args, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] });
}

/** Packs a package as it would be published and unpacks the archive. */
function unpacked(folder) {
  const out = join(work, 'archives', folder);
  const archive = pack(folder, out);
  run('tar', ['-xzf', archive, '-C', out], out);
  return { folder, archive, content: join(out, 'package') };
}

function checkContent({ folder, content }) {
  const manifest = JSON.parse(readFileSync(join(content, 'package.json'), 'utf8'));
  for (const field of ['description', 'license', 'repository', 'keywords', 'files', 'engines']) {
    if (manifest[field] === undefined) problems.push(`${folder}: package.json has no "${field}"`);
  }
  for (const file of ['LICENSE', 'README.md'])
    if (!existsSync(join(content, file))) problems.push(`${folder}: ${file} is not in the archive`);
  for (const [name, target] of targetsOf(manifest.exports)) {
    // Of a pattern, the folder must be there.
    if (!existsSync(join(content, target.split('*')[0])))
      problems.push(`${folder}: exports["${name}"] names ${target}, which is not there`);
  }
  const files = readdirSync(content, { recursive: true }).map(String);
  if (files.some((file) => file.startsWith('test'))) problems.push(`${folder}: tests are in the archive`);
  for (const file of files.filter((name) => name.endsWith('.map'))) {
    const { sources } = JSON.parse(readFileSync(join(content, file), 'utf8'));
    for (const source of sources) {
      if (existsSync(resolve(content, dirname(file), source))) continue;
      problems.push(`${folder}: ${file} names the source ${source}, which is not there`);
    }
  }
}

/** Every file that `exports` names, with the name it is exported by. */
function targetsOf(exports, name = '.') {
  if (typeof exports === 'string') return [[name, exports]];
  return Object.entries(exports ?? {}).flatMap(([key, inner]) =>
    targetsOf(inner, key.startsWith('.') ? key : name),
  );
}

function checkInstalled(packed) {
  // Binaries come inside the packages; onnxruntime-node's install script only fetches CUDA.
  const project = join(work, 'project');
  mkdirSync(project);
  writeFileSync(
    join(project, 'package.json'),
    JSON.stringify({ name: 'empty', private: true, type: 'module' }),
  );
  run(
    'npm',
    [
      'install',
      '--ignore-scripts',
      '--no-audit',
      '--no-fund',
      '--loglevel=error',
      ...packed.map(({ archive }) => archive),
    ],
    project,
  );
  const record = run(
    process.execPath,
    [
      join(project, 'node_modules', '@kora-bench', 'bench', 'bin', 'kora-bench.js'),
      ...['--quick', '--method', 'linear-probe', '--task', 'source', '--out', 'run', '--json'],
    ],
    project,
  );
  const { records } = JSON.parse(record);
  if (records.length !== 1 || records[0].status !== 'done')
    problems.push('A cell in an empty project is not done.');
}

/** A method as its author makes it: generated in the project, trained there, and tested with its own tests. */
function checkNewMethod() {
  const project = join(work, 'project');
  const bench = join(project, 'node_modules', '@kora-bench', 'bench', 'bin', 'kora-bench.js');
  run(process.execPath, [bench, 'new-method', 'mine'], project);
  const record = run(
    process.execPath,
    [bench, '--quick', '--method', 'mine', '--task', 'source', '--out', 'mine-run', '--json'],
    project,
  );
  if (JSON.parse(record).records[0]?.status !== 'done') problems.push('A generated method does not train.');
  run('npm', ['install', '--no-audit', '--no-fund', '--loglevel=error', 'vitest@4'], project);
  run('npx', ['vitest', 'run', '--testTimeout=120000'], join(project, 'kora-method-mine'));
}

try {
  const packed = publishedPackages().map(unpacked);
  for (const one of packed) checkContent(one);
  if (problems.length === 0) checkInstalled(packed);
  if (problems.length === 0) checkNewMethod();
  for (const problem of problems) console.error(problem);
  console.log(
    problems.length === 0 ? `${packed.length} packages can be published.` : `${problems.length} problems.`,
  );
  process.exitCode = problems.length === 0 ? 0 : 1;
} finally {
  rmSync(work, { recursive: true, force: true });
}
