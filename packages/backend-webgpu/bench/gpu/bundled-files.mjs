import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, realpathSync, statSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const backend = realpathSync(fileURLToPath(new URL('../..', import.meta.url)));

/** Packages that the scripts import; what these need comes along. */
const roots = ['@kora-bench/testing', '@kora-bench/conformance', '@kora-bench/peer-pytorch'];
/** Needed by parts of packages that the scripts do not import. */
const leftOut = new Set(['vitest', 'sharp', 'h5wasm', 'fast-png', 'csv-parse', 'tar-stream', 'yauzl']);

/** What NVIDIA's driver is linked to; a machine without a screen may lack all of it. */
const optionalLibraries = [
  'libX11.so.6',
  'libXext.so.6',
  'libxcb.so.1',
  'libXau.so.6',
  'libXdmcp.so.6',
  'libbsd.so.0',
  'libmd.so.0',
];

/** A file of the bundle: where it is, where it goes, whether it is a program with symbols to strip. */
const file = (from, path, program = false) => ({ from, path, program, bytes: statSync(from).size });

/**
 * All files of the archive.
 * @throws Error that says what is missing: the loader, or built packages
 */
export function bundledFiles() {
  const folder = dirname(fileURLToPath(import.meta.url));
  const scripts = ['find-driver.sh'].map((name) => file(join(folder, name), name));
  return [file(process.execPath, 'node', true), ...scripts, ...libraries(), ...packages()];
}

function libraries() {
  const known = execFileSync('/sbin/ldconfig', ['-p'], { encoding: 'utf8' });
  return ['libvulkan.so.1', ...optionalLibraries].flatMap((name) => {
    const line = known.split('\n').find((each) => each.includes(`\t${name} (libc6,x86-64`));
    if (line === undefined && name === 'libvulkan.so.1')
      throw new Error('There is no Vulkan loader to bring along; install libvulkan1.');
    return line === undefined ? [] : [file(realpathSync(line.split(' => ')[1]), `lib/${name}`)];
  });
}

/** Every package that the scripts need, as a flat node_modules. */
function packages() {
  const found = new Map();
  const queue = [
    { name: '@kora-bench/backend-webgpu', folder: backend },
    ...roots.map((name) => ({ name, folder: locate(name, backend) })),
  ];
  for (const { name, folder } of queue) {
    const known = found.get(name);
    if (known !== undefined && known !== folder)
      throw new Error(`Two versions of ${name} are needed: ${known} and ${folder}.`);
    if (known !== undefined) continue;
    found.set(name, folder);
    const { dependencies = {} } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
    for (const dependency of Object.keys(dependencies)) {
      if (!leftOut.has(dependency)) queue.push({ name: dependency, folder: locate(dependency, folder) });
    }
  }
  return [...found].flatMap(([name, folder]) => packageFiles(name, folder));
}

/** The folder of a package as another one sees it. */
function locate(name, from) {
  for (let folder = from; ; folder = dirname(folder)) {
    const path = join(folder, 'node_modules', name);
    if (existsSync(path)) return realpathSync(path);
    if (folder === dirname(folder)) throw new Error(`${name} is not installed; run pnpm install.`);
  }
}

function packageFiles(name, folder) {
  const own = name.startsWith('@kora-bench/');
  // Of the suite, what is built or plain; the sources of a built package are of no use.
  const built = existsSync(join(folder, 'tsconfig.json'));
  if (own && built && !existsSync(join(folder, 'dist')))
    throw new Error(`${name} is not built; run pnpm build.`);
  const parts = own ? ['package.json', built ? 'dist' : 'src', 'bench', 'python'] : ['.'];
  return parts
    .map((part) => join(folder, part))
    .filter(existsSync)
    .flatMap(filesUnder)
    .map((path) => ({ path, inside: relative(folder, path) }))
    .filter(({ inside }) => isNeeded(inside))
    .map(({ path, inside }) => file(path, join('node_modules', name, inside), inside.endsWith('.node')));
}

/** What Node reads on Linux; neither other platforms' binaries nor what was bundled before. */
function isNeeded(path) {
  if (/(^|\/)(node_modules|tfjs-peer|bench\/gpu\/bundle)\//.test(path)) return false;
  if (/^dist\/(darwin|win32|linux-arm)/.test(path)) return false;
  return /(\.m?js|\.cjs|\.json|\.node|\.py|LICENSE(\.\w+)?)$/i.test(path);
}

function filesUnder(path) {
  if (!statSync(path).isDirectory()) return [path];
  return readdirSync(path)
    .filter((name) => name !== 'node_modules')
    .flatMap((name) => filesUnder(join(path, name)));
}
