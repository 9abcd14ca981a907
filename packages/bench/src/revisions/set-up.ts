import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { InputError } from '@kora-bench/core/errors';

/* What has to be done with a fresh checkout before it can run, and which suite it runs. */

interface Manifest {
  readonly name?: string;
  readonly packageManager?: string;
  readonly scripts?: Readonly<Record<string, string>>;
  readonly dependencies?: object;
  readonly devDependencies?: object;
}

/** A shell line with the folder that it is run in. */
export interface SetUpStep {
  readonly kind: 'install' | 'build' | 'own';
  readonly line: string;
  readonly folder: string;
}

/** How each package manager installs exactly what its lockfile says, from its store or cache where that has it. */
const managers = [
  { lockfile: 'pnpm-lock.yaml', name: 'pnpm', install: 'install --frozen-lockfile --prefer-offline' },
  { lockfile: 'package-lock.json', name: 'npm', install: 'ci --prefer-offline --no-audit --no-fund' },
  { lockfile: 'npm-shrinkwrap.json', name: 'npm', install: 'ci --prefer-offline --no-audit --no-fund' },
  { lockfile: 'yarn.lock', name: 'yarn', install: 'install --frozen-lockfile --prefer-offline' },
] as const;

/**
 * What prepares a checkout: an install by its lockfile, and the script `build` of its `package.json`. Both are looked
 * for in a folder and those above it, up to the checkout's root. Nothing where there is no `package.json`.
 * @param own a shell line that does it instead
 */
export function setUpSteps(root: string, folder: string, own?: string): readonly SetUpStep[] {
  if (own !== undefined) return [{ kind: 'own', line: own, folder }];
  const project = foldersUp(root, folder).find((one) => existsSync(join(one, 'package.json')));
  if (project === undefined) return [];
  const builds = manifestOf(project).scripts?.['build'] !== undefined;
  for (const one of foldersUp(root, project)) {
    const manager = managers.find(({ lockfile }) => existsSync(join(one, lockfile)));
    if (manager === undefined) continue;
    const call = callOf(manager.name, manifestOf(one).packageManager);
    // Yarn 2 and later call it otherwise.
    const install = existsSync(join(one, '.yarnrc.yml')) ? 'install --immutable' : manager.install;
    return [
      { kind: 'install', line: `${call} ${install}`, folder: one },
      ...(builds ? [{ kind: 'build' as const, line: `${call} run build`, folder: project }] : []),
    ];
  }
  const { dependencies = {}, devDependencies = {} } = manifestOf(project);
  const needs = Object.keys({ ...dependencies, ...devDependencies }).length > 0;
  const install = 'npm install --prefer-offline --no-audit --no-fund';
  return [
    ...(needs ? [{ kind: 'install' as const, line: install, folder: project }] : []),
    ...(builds ? [{ kind: 'build' as const, line: 'npm run build', folder: project }] : []),
  ];
}

/** The version that `packageManager` pins, whatever is installed here. */
function callOf(name: string, pinned: string | undefined): string {
  if (name === 'npm') return 'npm';
  const version = pinned?.startsWith(`${name}@`) ? pinned.split('+')[0]! : name;
  return `npx -y ${version}`;
}

const ownBin = fileURLToPath(new URL('../../bin/kora-bench.js', import.meta.url));

/**
 * The command line that a checkout runs: the one that is named, the suite's own where the checkout is the suite's, the
 * installed one, or else the one that runs now.
 * @param named from the folder or the root
 * @throws InputError where the named one is not there
 */
export function benchOf(root: string, folder: string, named?: string): string {
  const folders = foldersUp(root, folder);
  if (named !== undefined) {
    const found = [folder, root].map((one) => resolve(one, named)).find(existsSync);
    if (found !== undefined) return found;
    throw new InputError('The revision has no such command line.', {
      where: `--bin, in ${folder}`,
      expected: 'the path of kora-bench.js in every revision, from the folder that this is called in',
      received: named,
      fix: 'Correct the path, or leave --bin out: then the installed one is found.',
    });
  }
  const places = ['packages/bench', 'node_modules/@kora-bench/bench'];
  for (const one of folders)
    for (const place of places) {
      const isSuite =
        existsSync(join(one, place, 'package.json')) &&
        manifestOf(join(one, place)).name === '@kora-bench/bench';
      if (isSuite) return join(one, place, 'bin', 'kora-bench.js');
    }
  return ownBin;
}

/** A folder and those above it, up to the root. */
function foldersUp(root: string, folder: string): readonly string[] {
  const isBelow = relative(root, folder) !== '';
  return isBelow ? [folder, ...foldersUp(root, dirname(folder))] : [root];
}

function manifestOf(folder: string): Manifest {
  const path = join(folder, 'package.json');
  if (!existsSync(path)) return {};
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as Manifest;
  } catch (error) {
    throw new InputError('A package.json cannot be read.', {
      where: path,
      expected: 'JSON',
      received: (error as Error).message,
      fix: 'Correct the file in this revision, or compare with another one.',
    });
  }
}
