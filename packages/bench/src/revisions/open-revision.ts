import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { basename, isAbsolute, join, resolve } from 'node:path';
import { InputError } from '@kora-bench/core/errors';
import { makeFolder, writeFileAtomic } from '@kora-bench/platform-node/atomic-file';
import { unwritable } from '../records/run-files.js';
import { lockWhenFree } from '../records/run-lock.js';
import type { Repository } from './git.js';
import { askGit, findRepository, git, resolveCommit } from './git.js';
import { runCommand } from './run-command.js';
import type { SetUpStep } from './set-up.js';
import { benchOf, setUpSteps } from './set-up.js';

/** A revision of a repository that is built and can be run. */
export interface Revision {
  /** For people, e.g. `main (1f3a09c4d2)`, `. (1f3a09c4d2 with changes)`. */
  readonly name: string;
  readonly commit: string | null;
  /** Whether it has changes that are not committed. */
  readonly dirty: boolean;
  /** Of its checkout. */
  readonly root: string;
  /** The folder in it that commands run in: where the user called, in this checkout. */
  readonly folder: string;
  /** The command line that it runs. */
  readonly bin: string;
}

export interface RevisionSettings {
  readonly cacheDir: string;
  /** The folder that the user called in. */
  readonly cwd: string;
  /** A shell line that prepares a checkout, instead of its lockfile's install and its script `build`. */
  readonly setUp?: string;
  /** The command line in each revision. */
  readonly bin?: string;
  readonly stop?: AbortSignal;
  /** Says what is being done. */
  readonly tell: (text: string) => void;
}

/** Whether a name is a folder's rather than a revision's: `.`, absolute, or one that begins with a dot and a slash. */
export const isFolder = (name: string) => isAbsolute(name) || /^\.{1,2}([/\\]|$)/.test(name);

/**
 * Makes a revision ready to be run. A commit is checked out and built in a folder of its own in the cache, once; a
 * folder is used as it stands, with the changes that are in it, and only its script `build` is run.
 * @param name a branch, tag or commit, or a folder in a checkout
 * @param shown how people know it
 * @throws InputError where it does not exist, or does not build
 */
export async function openRevision(
  name: string,
  settings: RevisionSettings,
  shown = name,
): Promise<Revision> {
  if (isFolder(name)) return openFolder(name, settings);
  const repository = await findRepository(settings.cwd);
  const commit = await resolveCommit(repository.root, name);
  const title = commit.startsWith(shown) ? commit.slice(0, 10) : `${shown} (${commit.slice(0, 10)})`;
  const checkouts = await checkoutsOf(repository.root, settings.cacheDir);
  const root = join(checkouts, commit.slice(0, 16));
  const folder = join(root, repository.prefix);
  await prepare({ title, commit, checkouts, root, folder }, repository, settings);
  return { name: title, commit, dirty: false, root, folder, bin: benchOf(root, folder, settings.bin) };
}

async function openFolder(name: string, settings: RevisionSettings): Promise<Revision> {
  const folder = resolve(settings.cwd, name);
  if (!existsSync(folder)) {
    throw new InputError('There is no such folder.', {
      where: folder,
      expected: 'a folder in a checkout, or a revision',
      received: name,
      fix: 'Correct the path; the name of a branch that begins with a dot is written as heads/NAME.',
    });
  }
  const { root } = await findRepository(folder);
  // What is installed there is its owner's choice.
  const steps = setUpSteps(root, folder, settings.setUp).filter(({ kind }) => kind !== 'install');
  const checkouts = await checkoutsOf(root, settings.cacheDir);
  await runSteps(steps, { what: name, log: join(checkouts, 'folder.log') }, settings);
  const commit = (await askGit(root, 'rev-parse', '--verify', '--quiet', 'HEAD')) ?? null;
  const dirty = (await git(root, 'status', '--porcelain')) !== '';
  const title = `${name} (${commit?.slice(0, 10) ?? 'no commit'}${dirty ? ' with changes' : ''})`;
  return { name: title, commit, dirty, root, folder, bin: benchOf(root, folder, settings.bin) };
}

/** Where the checkouts of a repository are kept. */
async function checkoutsOf(root: string, cacheDir: string): Promise<string> {
  const common = resolve(root, await git(root, 'rev-parse', '--git-common-dir'));
  const digest = createHash('sha256').update(common).digest('hex').slice(0, 8);
  const folder = join(cacheDir, 'revisions', `${basename(root)}-${digest}`);
  try {
    makeFolder(folder);
  } catch (error) {
    throw unwritable(folder, error);
  }
  return folder;
}

interface Checkout {
  readonly title: string;
  readonly commit: string;
  readonly checkouts: string;
  readonly root: string;
  readonly folder: string;
}

/** Another process that builds is waited for this long. */
const patienceMs = 30 * 60_000;

/** Checks out and builds, unless that was done before in the same way. */
async function prepare(
  { title, commit, checkouts, root, folder }: Checkout,
  repository: Repository,
  settings: RevisionSettings,
): Promise<void> {
  const lease = await lockWhenFree(checkouts, patienceMs);
  try {
    const marker = `${root}.built`;
    const way = `${settings.setUp ?? 'by its lockfile'}\nNode ${process.versions.node}\n`;
    if (existsSync(root) && (await readFile(marker, 'utf8').catch(() => '')) === way) {
      const now = new Date();
      await utimes(marker, now, now);
      return;
    }
    await rm(marker, { force: true });
    if (!existsSync(join(root, '.git'))) {
      await rm(root, { recursive: true, force: true });
      settings.tell(`Checking out ${title} in ${root} ...`);
      // Twice: also where git remembers a worktree here that the cache lost.
      await git(repository.root, 'worktree', 'add', '--force', '--force', '--detach', root, commit);
    }
    if (!existsSync(folder)) {
      throw new InputError('The revision does not have this folder.', {
        where: `${repository.prefix} in ${title}`,
        expected: 'the folder that this is called in, in both revisions',
        received: `none in ${commit.slice(0, 10)}`,
        fix: 'Change to the root of the checkout, or to a folder that both revisions have.',
      });
    }
    const steps = setUpSteps(root, folder, settings.setUp);
    await runSteps(steps, { what: title, log: `${root}.log` }, settings);
    await writeFileAtomic(marker, way);
    await removeOldest(repository, checkouts);
  } finally {
    await lease.release();
  }
}

/** Lines of the end of a log that an error shows. */
const shownLines = 15;

async function runSteps(
  steps: readonly SetUpStep[],
  { what, log }: { readonly what: string; readonly log: string },
  { tell, stop }: RevisionSettings,
): Promise<void> {
  for (const { line, folder } of steps) {
    tell(`Preparing ${what}: ${line} ...`);
    const end = await runCommand({ command: line, cwd: folder, ...(stop && { stop }) });
    if (stop?.aborted) throw stopped(what);
    if (end.code === 0) continue;
    await writeFile(log, end.output).catch(() => undefined);
    const lines = end.output.trimEnd().split('\n').slice(-shownLines);
    throw new InputError(`The revision ${what} cannot be built.`, {
      where: `${line}, in ${folder}`,
      expected: 'exit code 0',
      received: [`exit code ${end.code ?? 'unknown'}; the end of what it printed:`, ...lines].join('\n    '),
      fix: `See ${log} for more. --setup gives another command to prepare it with.`,
    });
  }
}

/** The error for work that the user ended. */
export function stopped(what: string): InputError {
  return new InputError('Stopped.', {
    where: what,
    expected: 'time to end',
    received: 'a signal',
    fix: 'Give the command again: what is built stays.',
  });
}

/** Checkouts of a repository that stay; each may hold a gigabyte of installed packages. */
const keptCheckouts = 6;

/** Removes the checkouts that were not used for longest. */
async function removeOldest({ root }: Repository, checkouts: string): Promise<void> {
  const markers = (await readdir(checkouts)).filter((name) => name.endsWith('.built'));
  const used = await Promise.all(
    markers.map(async (name) => ({ name, time: (await stat(join(checkouts, name))).mtimeMs })),
  );
  for (const { name } of used.toSorted((a, b) => b.time - a.time).slice(keptCheckouts)) {
    const path = join(checkouts, name.slice(0, -'.built'.length));
    await askGit(root, 'worktree', 'remove', '--force', '--force', path);
    for (const ending of ['', '.built', '.log'])
      await rm(`${path}${ending}`, { recursive: true, force: true });
  }
}
