import { existsSync } from 'node:fs';
import { copyFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { InputError } from '@kora-bench/core/errors';
import { writeFileAtomic } from '@kora-bench/platform-node/atomic-file';
import { suggestion } from '../../input/check-input.js';
import { noPlugins, pluginsFile, readPluginsFile } from '../../registry/plugins.js';
import { loadKind } from '../../registry/registry.js';
import { exitCode, printResult } from './output.js';

/** What a new method can be made from: one that changes values, weights, or tokens. */
export const methodTemplates = {
  lora: { options: ['`rank`', '1 … 1024', '8', 'r'], refused: 'rank: 0', field: 'rank' },
  ssf: {
    options: ['`targets`', 'layers', 'qkv, fc1', 'what is scaled'],
    refused: 'targets: []',
    field: 'targets',
  },
  vpt: { options: ['`prompts`', '1 … 1024', '8', 'trained tokens'], refused: 'prompts: 0', field: 'prompts' },
} as const;

export type MethodTemplate = keyof typeof methodTemplates;

export interface NewMethodOptions {
  readonly from?: string;
}

/** Writes a package with a method that works, registers it, and says how to go on. */
export async function newMethod(name: string, { from = 'lora' }: NewMethodOptions): Promise<number> {
  const cwd = process.cwd();
  const template = templateOf(from);
  await checkName(name);
  const checkout = checkoutAbove(cwd);
  const place =
    checkout === undefined ? ownPackage(name, cwd) : packageOfTheSuite(name, join(checkout, 'packages'));
  if (existsSync(place.folder)) {
    throw new InputError('The folder of the new method is there already.', {
      where: place.folder,
      expected: 'a folder that does not exist',
      received: 'one that does',
      fix: 'Choose another name, or remove the folder.',
    });
  }
  const files = { ...(await commonFiles(name, template, place)), ...(await place.files()) };
  for (const [path, content] of Object.entries(files)) {
    await mkdir(dirname(join(place.folder, path)), { recursive: true });
    await writeFile(join(place.folder, path), content);
  }
  if (checkout !== undefined)
    await copyFile(join(checkout, 'packages/method-full/LICENSE'), join(place.folder, 'LICENSE'));
  const registered = checkout ?? cwd;
  await register(`./${relative(registered, place.folder).split('\\').join('/')}`, registered);
  printResult(
    [
      `${relative(cwd, place.folder)}: a method made from ${from}, registered in ${relative(cwd, join(registered, pluginsFile))}.`,
      '',
      'Next:',
      ...place.next.map((step, i) => `  ${i + 1}. ${step}`),
    ].join('\n'),
  );
  return exitCode.done;
}

/** Where a package goes, and what its surroundings ask of it. */
interface Place {
  readonly folder: string;
  readonly packageName: string;
  /** The file that holds the method. */
  readonly source: string;
  readonly test: string;
  /** How the command line is called there. */
  readonly bench: string;
  /** How its tests run. */
  readonly testing: string;
  readonly next: readonly string[];
  files(): Promise<Readonly<Record<string, string>>>;
}

function packageOfTheSuite(name: string, packages: string): Place {
  const folder = join(packages, `method-${name}`);
  const packageName = `@kora-bench/method-${name}`;
  return {
    folder,
    packageName,
    source: 'src/index.ts',
    test: `test/${name}.test.ts`,
    bench: 'pnpm bench',
    testing: `Tests: \`pnpm --filter ${packageName} test\`.`,
    next: [
      'pnpm install',
      `pnpm --filter ${packageName} build && pnpm --filter ${packageName} test`,
      `pnpm bench --method ${name} --quick`,
      `Write the method: packages/method-${name}/src/index.ts; docs/write-a-method.md draws the sites.`,
      'To ship it, move its line from kora.config.json to packages/bench/src/registry/registry.ts.',
    ],
    async files() {
      const model = JSON.parse(await readFile(join(packages, 'method-full/package.json'), 'utf8')) as Record<
        string,
        unknown
      >;
      const manifest = {
        ...model,
        name: packageName,
        description: `The method ${name} of KoRA Bench`,
        keywords: ['peft', 'vision-transformer', name],
        repository: { ...(model['repository'] as object), directory: `packages/method-${name}` },
        dependencies: { '@kora-bench/core': 'workspace:*', zod: 'catalog:' },
        devDependencies: {
          '@kora-bench/testing': 'workspace:*',
          '@types/node': 'catalog:',
          vitest: 'catalog:',
        },
      };
      const [build, test] = await Promise.all(
        ['tsconfig.json', 'tsconfig.test.json'].map((file) =>
          readFile(join(packages, 'method-full', file), 'utf8'),
        ),
      );
      return { 'package.json': text(manifest), 'tsconfig.json': build!, 'tsconfig.test.json': test! };
    },
  };
}

function ownPackage(name: string, cwd: string): Place {
  const folder = join(cwd, `kora-method-${name}`);
  const suite = checkoutAbove(suiteFolder);
  const bench =
    suite === undefined ? 'npx kora-bench' : `node ${join(suite, 'packages/bench/bin/kora-bench.js')}`;
  return {
    folder,
    packageName: `kora-method-${name}`,
    source: 'index.js',
    test: `test/${name}.test.js`,
    bench,
    testing: 'Tests: `npm install && npm test`.',
    next: [
      `${bench} --method ${name} --quick`,
      ...(suite === undefined ? [] : [`pnpm -C ${suite} tarballs (once: the tests install these packages)`]),
      `cd kora-method-${name} && npm install && npm test`,
      `Write the method: kora-method-${name}/index.js; docs/write-a-method.md of the suite draws the sites.`,
    ],
    async files() {
      const versions = suite === undefined ? undefined : await tarballs(suite, folder);
      const { version } = JSON.parse(await readFile(join(suiteFolder, 'package.json'), 'utf8')) as {
        version: string;
      };
      const published = { '@kora-bench/testing': `^${version}` };
      const manifest = {
        name: `kora-method-${name}`,
        version: '0.1.0',
        description: `The method ${name} for KoRA Bench`,
        type: 'module',
        exports: './index.js',
        scripts: { test: 'vitest run --testTimeout=60000' },
        peerDependencies: { '@kora-bench/core': `^${version}`, zod: '^4.0.0' },
        devDependencies: { ...(versions ?? published), vitest: '^4.1.0', zod: '^4.0.0' },
      };
      return { 'package.json': text(manifest) };
    },
  };
}

const suiteFolder = fileURLToPath(new URL('../../../', import.meta.url));

/** What a method's tests need of a suite that is not published, as archives that `pnpm tarballs` makes. */
async function tarballs(checkout: string, folder: string): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  const add = async (name: string): Promise<void> => {
    if (found[name] !== undefined) return;
    const short = name.slice('@kora-bench/'.length);
    const manifest = JSON.parse(
      await readFile(join(checkout, 'packages', short, 'package.json'), 'utf8'),
    ) as { readonly version: string; readonly dependencies?: Readonly<Record<string, string>> };
    const archive = join(checkout, 'tarballs', `kora-bench-${short}-${manifest.version}.tgz`);
    found[name] = `file:${relative(folder, archive)}`;
    for (const other of Object.keys(manifest.dependencies ?? {}))
      if (other.startsWith('@kora-bench/')) await add(other);
  };
  await add('@kora-bench/testing');
  return found;
}

const suiteImport = "import { describeMethod } from '@kora-bench/testing/method-suite';";

async function commonFiles(
  name: string,
  template: MethodTemplate,
  place: Place,
): Promise<Record<string, string>> {
  const { options, refused, field } = methodTemplates[template];
  const own = place.source === 'index.js';
  const words: Readonly<Record<string, string>> = {
    name,
    package: place.packageName,
    imports: (own
      ? [suiteImport, "import method from '../index.js';"]
      : [`import method from '${place.packageName}';`, suiteImport]
    ).join('\n'),
    bench: place.bench,
    test: place.testing,
    options: `| ${options.join(' | ')} |`,
    refused: `{ ${refused} }`,
    refusedField: field,
  };
  const filled = async (path: string) =>
    (await readFile(join(suiteFolder, 'templates/method', path), 'utf8')).replace(
      /\{\{(\w+)\}\}/g,
      (_, word: string) => words[word] ?? '',
    );
  return {
    [place.source]: await filled(`${template}.txt`),
    [place.test]: await filled('test.txt'),
    'README.md': await filled('README.txt'),
  };
}

function templateOf(from: string): MethodTemplate {
  const names = Object.keys(methodTemplates);
  if (Object.hasOwn(methodTemplates, from)) return from as MethodTemplate;
  throw new InputError(`There is no template "${from}".`, {
    where: '--from',
    expected: `one of ${names.join(', ')}`,
    received: from,
    fix: suggestion(from, names, 'Choose one of these.'),
  });
}

async function checkName(name: string): Promise<void> {
  if (!/^[a-z][a-z0-9]*(-[a-z0-9]+)*$/.test(name)) {
    throw new InputError('That is no name for a method.', {
      where: 'the method’s name',
      expected: 'lower-case letters and digits in words joined by -, e.g. low-rank',
      received: name,
      fix: 'Choose such a name.',
    });
  }
  // Plugins are not asked: one that was just made may not be built yet.
  if (!(await loadKind('methods')).has(name)) return;
  throw new InputError(`There is a method "${name}" already.`, {
    where: 'the method’s name',
    expected: 'a name that is not registered',
    received: name,
    fix: 'Choose another name.',
  });
}

/** The checkout of this suite that a folder lies in. */
function checkoutAbove(folder: string): string | undefined {
  for (let at = resolve(folder); ; at = dirname(at)) {
    if (existsSync(join(at, 'pnpm-workspace.yaml')) && existsSync(join(at, 'packages/method-full')))
      return at;
    if (dirname(at) === at) return undefined;
  }
}

/** Adds a plugin to a folder's `kora.config.json`, or writes one. */
async function register(plugin: string, folder: string): Promise<void> {
  const path = join(folder, pluginsFile);
  const known = existsSync(path) ? await readPluginsFile(folder) : noPlugins;
  const kinds = Object.entries({ ...known, methods: [...known.methods, plugin] });
  const plugins = Object.fromEntries(kinds.filter(([, names]) => names.length > 0));
  await writeFileAtomic(path, text({ plugins }));
}

const text = (value: unknown) => `${JSON.stringify(value, null, 2)}\n`;
