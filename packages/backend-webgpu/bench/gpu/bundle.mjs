import { execFileSync } from 'node:child_process';
import { chmodSync, cpSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { bundledFiles } from './bundled-files.mjs';

/*
 * Makes the folder that a machine with a GPU, but without Node and a network, needs to run run.sh: `run.sh`,
 * the commit and one archive with this Node, the built packages, Dawn and the Vulkan loader. Linux on x86-64 alone.
 *   node bench/gpu/bundle.mjs [--to bench/gpu/bundle] [--level 9] [--list]
 * `--list` makes nothing and prints what would be packed.
 */
const here = dirname(fileURLToPath(import.meta.url));
const { values: args } = parseArgs({
  options: {
    to: { type: 'string', default: join(here, 'bundle') },
    level: { type: 'string', default: '9' },
    list: { type: 'boolean', default: false },
  },
});
/** What a machine takes over beside a checkout. */
const mostBytes = 45e6;
if (process.platform !== 'linux' || process.arch !== 'x64')
  throw new Error(
    `A bundle can only be made on linux-x64, where it runs; this is ${process.platform}-${process.arch}.`,
  );

const files = bundledFiles();
if (args.list) {
  for (const { path, bytes } of files) console.log(`${String(bytes).padStart(9)}  ${path}`);
  console.log(
    `${files.length} files, ${megabytes(files.reduce((sum, { bytes }) => sum + bytes, 0))} unpacked`,
  );
  process.exit(0);
}

const staging = mkdtempSync(join(tmpdir(), 'kora-bundle-'));
try {
  for (const { from, path, program } of files) {
    const to = join(staging, path);
    mkdirSync(dirname(to), { recursive: true });
    cpSync(from, to, { dereference: true });
    if (program) strip(to);
  }
  rmSync(args.to, { recursive: true, force: true });
  mkdirSync(args.to, { recursive: true });
  const payload = join(args.to, 'payload.tar.xz');
  const options = ['--sort=name', '--owner=0', '--group=0', '--mtime=@0'];
  execFileSync('tar', ['-C', staging, ...options, '-I', `xz -${Number(args.level)}`, '-cf', payload, '.']);
  cpSync(join(here, 'run.sh'), join(args.to, 'run.sh'));
  chmodSync(join(args.to, 'run.sh'), 0o755);
  writeFileSync(join(args.to, 'commit'), `${commit()}\n`);
  const { size } = statSync(payload);
  if (size > mostBytes)
    throw new Error(`The bundle takes ${megabytes(size)}; expected at most ${megabytes(mostBytes)}.`);
  console.log(`${args.to}: ${megabytes(size)} packed, of commit ${commit()}`);
} finally {
  rmSync(staging, { recursive: true });
}

/** Symbols for debuggers are a good part of Node. */
function strip(path) {
  try {
    execFileSync('strip', ['--strip-unneeded', path], { stdio: 'ignore' });
  } catch {
    console.warn(`${path} was not stripped; the bundle is a few MB larger.`);
  }
}

function commit() {
  const git = (...words) => execFileSync('git', words, { cwd: here, encoding: 'utf8' }).trim();
  const changed = git('status', '--porcelain') === '' ? '' : ' with changes';
  return `${git('rev-parse', 'HEAD')}${changed}`;
}

function megabytes(bytes) {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}
