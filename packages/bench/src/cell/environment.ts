import { execFile } from 'node:child_process';
import { availableParallelism, cpus, totalmem } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { Backend } from '@kora-bench/core/backend';
import type { DoneRecord } from '../records/record-schema.js';
import { nearestManifest } from '../registry/code-digest.js';
import { registryKinds } from '../registry/plugins.js';
import type { Registry } from '../registry/registry.js';
import { defaultPackages } from '../registry/registry.js';

/** What ran the cell, as far as it may change numbers. */
export function describeEnvironment(backend: Backend): DoneRecord['environment'] {
  return { ...describeMachine(), backend: { ...backend.versions } };
}

/** This machine, and its Node. */
export function describeMachine(): Omit<DoneRecord['environment'], 'backend'> {
  return {
    node: process.versions.node,
    platform: `${process.platform} ${process.arch}`,
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: availableParallelism(),
    memoryBytes: totalmem(),
  };
}

/** Which code runs the cell: every package with its version, every plugin with its digest, the checkout's commit. */
export async function describeCode({ plugins }: Pick<Registry, 'plugins'>): Promise<DoneRecord['code']> {
  const modules = ['@kora-bench/core/graph', '@kora-bench/trainer', ...registryKinds.flatMap(namesOf)];
  const packages = modules.map(
    (name) => [packageOf(name), versionOf(fileURLToPath(import.meta.resolve(name)))] as const,
  );
  const own = fileURLToPath(import.meta.url);
  return {
    packages: Object.fromEntries(
      [['@kora-bench/bench', versionOf(own)] as const, ...packages].map(([name, version]) => [
        name,
        version ?? 'unknown',
      ]),
    ),
    plugins: plugins.map(({ kind, name, url, digest }) => ({
      kind,
      name,
      version: versionOf(fileURLToPath(url)),
      digest,
    })),
    ...(await describeCheckout(dirname(own))),
  };
}

function namesOf(kind: (typeof registryKinds)[number]): string[] {
  return defaultPackages[kind].map(({ name }) => name);
}

/** `@scope/name` of a module in a package. */
function packageOf(module: string): string {
  return module.split('/').slice(0, 2).join('/');
}

/** The version in the nearest `package.json` above a file. */
function versionOf(file: string): string | null {
  const version = nearestManifest(file, 'version')?.version;
  return typeof version === 'string' ? version : null;
}

const run = promisify(execFile);

/** The commit of the checkout that this file is tracked in; nulls outside one, or without git. */
async function describeCheckout(
  folder: string,
): Promise<{ readonly commit: string | null; readonly dirty: boolean | null }> {
  const git = async (...words: string[]) => (await run('git', ['-C', folder, ...words])).stdout.trim();
  try {
    // A package that is installed below someone's own repository is no part of it.
    await git('ls-files', '--error-unmatch', join(folder, '..', '..', 'package.json'));
    const commit = await git('rev-parse', 'HEAD');
    return { commit, dirty: (await git('status', '--porcelain')) !== '' };
  } catch {
    return { commit: null, dirty: null };
  }
}
