import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { InputError } from '@kora-bench/core/errors';
import { suggestion } from '../input/check-input.js';
import { plainEnvironment } from './run-command.js';

const run = promisify(execFile);

const refused = 'Git refused.';

/** The git repository that a folder is in. */
export interface Repository {
  /** Of its working tree. */
  readonly root: string;
  /** The folder from there, with a slash at its end; empty for the root itself. */
  readonly prefix: string;
}

/**
 * Runs git and returns what it prints, without the line ends at its end.
 * @throws InputError where git is not installed or refuses
 */
export async function git(folder: string, ...words: readonly string[]): Promise<string> {
  try {
    const { stdout } = await run('git', ['-C', folder, ...words], {
      maxBuffer: 2 ** 28,
      env: { ...plainEnvironment(), GIT_TERMINAL_PROMPT: '0' },
    });
    return stdout.trimEnd();
  } catch (error) {
    const { code, stderr, message } = error as NodeJS.ErrnoException & { readonly stderr?: string };
    if (code === 'ENOENT') {
      throw new InputError('Git is not installed.', {
        where: folder,
        expected: 'the command git',
        received: message,
        fix: 'Install git. `compare` compares runs that are there without it.',
        cause: error,
      });
    }
    throw new InputError(refused, {
      where: `git ${words.join(' ')} in ${folder}`,
      expected: 'exit code 0',
      received: stderr?.trim() || message,
      fix: 'Correct what git says, and give the command again.',
      cause: error,
    });
  }
}

/** What git prints, or undefined where it refuses: for questions that may be answered by no. */
export async function askGit(folder: string, ...words: readonly string[]): Promise<string | undefined> {
  return git(folder, ...words).catch((error: unknown) => {
    if (error instanceof InputError && error.message === refused) return undefined;
    throw error;
  });
}

/** @throws InputError where the folder is in no repository */
export async function findRepository(folder: string): Promise<Repository> {
  const root = await askGit(folder, 'rev-parse', '--show-toplevel');
  if (root === undefined || root === '') {
    throw new InputError('This is not a git repository.', {
      where: folder,
      expected: 'a folder in a checkout',
      received: 'no repository that git finds here',
      fix: 'Change to a checkout. `compare` compares runs that are there without git.',
    });
  }
  return { root, prefix: (await git(folder, 'rev-parse', '--show-prefix')).trim() };
}

/**
 * The commit that a branch, tag or beginning of a hash names. A branch that only `origin` has needs no `origin/`.
 * @throws InputError for a name that git does not know
 */
export async function resolveCommit(root: string, name: string): Promise<string> {
  for (const candidate of [name, `origin/${name}`]) {
    const commit = await askGit(
      root,
      ...['rev-parse', '--verify', '--quiet', '--end-of-options', `${candidate}^{commit}`],
    );
    if (commit) return commit;
  }
  const branches = (await git(root, 'for-each-ref', '--format=%(refname:short)')).split('\n');
  const known = branches.filter((branch) => branch !== '');
  throw new InputError(`Git knows no revision "${name}".`, {
    where: root,
    expected: 'a branch, a tag, or the beginning of a commit’s hash',
    received: name,
    fix: (await isShallow(root))
      ? shallowFix
      : suggestion(name, known, 'See `git log` and `git branch --all`; `git fetch` gets what is new.'),
  });
}

/**
 * The commit at which two lines of work parted: what a change is to be compared with.
 * @throws InputError where they have nothing in common
 */
export async function mergeBase(root: string, base: string, head: string): Promise<string> {
  const common = await askGit(root, 'merge-base', base, head);
  if (common) return common;
  throw new InputError('The two revisions have no commit in common.', {
    where: root,
    expected: 'a head that branched off from the base',
    received: `${base.slice(0, 10)} and ${head.slice(0, 10)}`,
    fix: (await isShallow(root)) ? shallowFix : 'Name a base that the head descends from.',
  });
}

const isShallow = async (root: string) =>
  (await askGit(root, 'rev-parse', '--is-shallow-repository')) === 'true';

const shallowFix =
  'This is a shallow clone: get the whole history with `git fetch --unshallow`, or in GitHub Actions with `fetch-depth: 0` of actions/checkout.';
