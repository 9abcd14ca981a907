import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { makeFolder, temporaryPath } from '@kora-bench/platform-node/atomic-file';
import { runDriverCheck } from '@kora-bench/platform-node/driver-check';
import { tfjsVersion } from '../devices/devices.js';
import type { NativeKind } from '../devices/native-folder.js';
import {
  addonFile,
  installCommand,
  manifestFile,
  nativeFolder,
  nodePackage,
  packageFolder,
} from '../devices/native-folder.js';
import type { Tools } from './tools.js';
import { findTools, runTool, unavailable } from './tools.js';

/** The release whose C interface the addon is compiled against; 2.12 to 2.21 were tried and work too. */
const tensorflowVersion = '2.18.0';

/** The libraries that the addon is linked with, as the wheel names them. */
const libraries = ['libtensorflow_cc.so.2', 'libtensorflow_framework.so.2'] as const;

/** Of which Python a wheel is for makes no difference to its libraries; each release has this one. */
const wheelPython = '3.10';

export interface BuildOptions {
  /** A wheel that is here already. */
  readonly wheel?: string;
  /** Told what is being done. */
  say(line: string): void;
}

/**
 * Builds the native engine in the cache folder: TensorFlow's libraries from PyPI's wheel, and tfjs-node's addon
 * compiled against them. It appears there as a whole, or not at all.
 * @throws BackendError where something is missing, with the fix
 */
export async function buildNative(kind: NativeKind, { wheel, say }: BuildOptions): Promise<void> {
  const tools = findTools();
  const sources = requireSources();
  const folder = nativeFolder(kind);
  makeFolder(dirname(folder));
  const work = temporaryPath(folder);
  mkdirSync(work);
  try {
    const file = wheel === undefined ? download(kind, tools, work, say) : requireWheel(wheel);
    say('Unpacking its libraries and headers ...');
    const version = unpack(tools, file, work);
    if (kind === 'gpu' && wheel === undefined) addNvidia(tools, file, work, say);
    if (tools.strip !== undefined) {
      const { strip } = tools;
      for (const library of libraries)
        runTool(strip, ['--strip-unneeded', join(work, 'tensorflow', library)]);
    }
    say('Compiling the addon ...');
    compile(tools, sources, work);
    for (const scrap of ['tensorflow/include', 'wheels'])
      rmSync(join(work, scrap), { recursive: true, force: true });
    writeFileSync(
      join(work, manifestFile),
      `${JSON.stringify({ tensorflow: version, tfjs: tfjsVersion })}\n`,
    );
    rmSync(folder, { recursive: true, force: true });
    renameSync(work, folder);
    await check(kind, folder, say);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** What is compiled: tfjs-node's own two files, with the headers of Node's addon interface. */
function requireSources(): { readonly binding: string; readonly headers: string } {
  const installed = packageFolder(nodePackage);
  const binding = installed === undefined ? undefined : join(installed, 'binding');
  if (binding === undefined || !existsSync(binding)) {
    throw unavailable({
      expected: `the package ${nodePackage}, whose addon is compiled`,
      received: 'it is not installed',
      fix: installCommand,
    });
  }
  return { binding, headers: join(packageFolder('node-api-headers')!, 'include') };
}

function requireWheel(path: string): string {
  const file = resolve(path);
  if (existsSync(file)) return file;
  throw unavailable({ where: '--wheel', expected: 'a file', received: `${path}, which is not there` });
}

const architectures: Readonly<Record<string, string>> = { x64: 'x86_64', arm64: 'aarch64' };

function pipDownload({ python }: Tools, work: string, requirements: readonly string[]): void {
  const platform = `manylinux2014_${architectures[process.arch]}`;
  const options = [
    '--no-deps',
    '--only-binary=:all:',
    '--python-version',
    wheelPython,
    '--platform',
    platform,
  ];
  // NVIDIA names its wheels by a later standard.
  const more = ['--platform', `manylinux_2_27_${architectures[process.arch]}`];
  const dest = join(work, 'wheels');
  runTool(python, ['-m', 'pip', 'download', ...options, ...more, '--dest', dest, ...requirements]);
}

function download(kind: NativeKind, tools: Tools, work: string, say: BuildOptions['say']): string {
  // Only for x86-64 is there a package without the parts for GPUs; that for Arm has none.
  const name = kind === 'cpu' && process.arch === 'x64' ? 'tensorflow-cpu' : 'tensorflow';
  say(`Getting ${name} ${tensorflowVersion} with pip (about ${kind === 'gpu' ? 600 : 230} MB) ...`);
  pipDownload(tools, work, [`${name}==${tensorflowVersion}`]);
  const wheels = join(work, 'wheels');
  return join(wheels, readdirSync(wheels).find((file) => file.startsWith('tensorflow'))!);
}

/** Python reads zip files wherever pip runs. Prints the wheel's version, and its requirements of NVIDIA's libraries. */
const unpackScript = `
import re, sys, zipfile
wheel, out, *prefixes = sys.argv[1:]
with zipfile.ZipFile(wheel) as z:
    for name in z.namelist():
        if any(name.startswith(prefix) for prefix in prefixes): z.extract(name, out)
    metadata = next((name for name in z.namelist() if name.endswith('.dist-info/METADATA')), None)
    text = z.read(metadata).decode() if metadata else ''
    print(re.search(r'^Version: (.*)$', text, re.M).group(1))
    for line in re.findall(r'^Requires-Dist: (nvidia-[^;]*);', text, re.M): print(re.sub('[ ()]', '', line))
`;

const wanted = [
  'libtensorflow_',
  'include/tensorflow/c/',
  'include/tensorflow/core/platform/',
  'include/tsl/',
  'include/xla/tsl/',
  'include/xla/c/',
].map((path) => `tensorflow/${path}`);

function unpack({ python }: Tools, wheel: string, work: string): string {
  const [version] = runTool(python, ['-c', unpackScript, wheel, work, ...wanted]).split('\n');
  const missing = libraries.find((library) => !existsSync(join(work, 'tensorflow', library)));
  if (missing === undefined) return version!;
  throw unavailable({
    where: wheel,
    expected: `a wheel of TensorFlow for Linux, with tensorflow/${missing}`,
    received: 'a wheel without it',
  });
}

/** TensorFlow looks for NVIDIA's libraries beside itself, where the wheels put them. */
function addNvidia(tools: Tools, wheel: string, work: string, say: BuildOptions['say']): void {
  const [, ...needed] = runTool(tools.python, ['-c', unpackScript, wheel, work]).trim().split('\n');
  say(`Getting NVIDIA's libraries (${needed.length} packages, about 2 GB) ...`);
  pipDownload(tools, work, needed);
  for (const file of readdirSync(join(work, 'wheels')).filter((name) => name.startsWith('nvidia')))
    runTool(tools.python, ['-c', unpackScript, join(work, 'wheels', file), work, 'nvidia/']);
}

function compile({ compiler }: Tools, sources: ReturnType<typeof requireSources>, work: string): void {
  const { binding, headers } = sources;
  const libraryFolder = join(work, 'tensorflow');
  runTool(compiler, [
    ...['-std=c++17', '-O2', '-fPIC', '-shared', '-DNAPI_VERSION=8'],
    // The sources include each other by the package's own name, and TensorFlow's headers by its folder.
    ...[join(binding, '..', '..'), join(binding, '..'), join(libraryFolder, 'include'), headers].map(
      (path) => `-I${path}`,
    ),
    ...['tfjs_backend.cc', 'tfjs_binding.cc'].map((file) => join(binding, file)),
    `-L${libraryFolder}`,
    ...libraries.map((library) => `-l:${library}`),
    '-Wl,-rpath,$ORIGIN',
    ...['-o', join(work, addonFile)],
  ]);
}

/** One product in a separate process. */
async function check(kind: NativeKind, folder: string, say: BuildOptions['say']): Promise<void> {
  const device = kind === 'cpu' ? 'node' : 'node-gpu';
  const entry = new URL('./check-process.js', import.meta.url);
  const { stdout, stderr, failure } = await runDriverCheck(entry, [device], 120_000);
  const said = stdout.trim();
  if (failure === undefined && said.startsWith('works: ')) {
    say(`tfjs:${device} ${said}\n${folder}`);
    return;
  }
  const reason = said || stderr.trim().split('\n').at(-1) || failure!;
  if (kind === 'gpu' && reason.includes('lists no GPU')) {
    say(`Built in ${folder}. It could not be checked here: ${reason}`);
    return;
  }
  rmSync(join(folder, manifestFile), { force: true });
  throw unavailable({ where: fileURLToPath(entry), expected: 'a right product', received: reason });
}
