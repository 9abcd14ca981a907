import { mkdtemp, rm } from 'node:fs/promises';
import { devNull, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { InputError } from '@kora-bench/core/errors';
import type { Additions } from '../history/history-files.js';
import { appendToHistory } from '../history/history-files.js';
import { askGit, git } from '../revisions/git.js';

export interface HistoryBranch {
  /** Of the checkout whose repository has the branch. */
  readonly root: string;
  readonly branch: string;
  /** The repository that it is pushed to; null to keep it in this one. */
  readonly remote: string | null;
  /** The history in the branch. */
  readonly folder: string;
}

export interface BranchAddition {
  readonly additions: Additions;
  /** Of the commit. */
  readonly message: string;
  /** Gets the history as it is then, in a folder that is gone afterwards. */
  readonly use: (history: string) => Promise<void>;
  readonly tell: (text: string) => void;
}

/** Others that push at the same time are given way to so often. */
const attempts = 10;
/** Refusals without any change of the branch, after which it is no other process that is in the way. */
const mostIdle = 3;

/**
 * Adds lines to a history on a branch and commits; begins the branch where there is none. Where another process was
 * faster, the lines are added to what it left: a history's lines have no order, and known ones are not added again.
 * Neither the checkout's branch nor its files are touched.
 * @throws InputError where git refuses
 */
export async function addToBranch(
  { root, branch, remote, folder }: HistoryBranch,
  { additions, message, use, tell }: BranchAddition,
): Promise<void> {
  const place = await mkdtemp(join(tmpdir(), 'kora-history-'));
  const history = join(place, folder);
  const start = async (at: string | undefined) => at ?? (await emptyCommit(root));
  let tip = await tipOf({ root, branch, remote });
  let idle = 0;
  try {
    const detached = ['--quiet', '--force', '--detach', place, await start(tip)];
    await git(root, 'worktree', 'add', ...detached);
    for (let attempt = 1; ; attempt++) {
      await appendToHistory(history, additions);
      await git(place, 'add', '--all', '--', folder);
      const changed = await git(place, 'status', '--porcelain');
      if (changed === '') {
        tell(`The branch ${branch} has these results already.`);
        break;
      }
      await git(place, ...(await author(root)), 'commit', '--quiet', '--message', message);
      const refusal = await publish(place, { branch, remote, tip });
      if (refusal === null) {
        tell(`Added to the branch ${branch}${remote === null ? '' : ` of ${remote}`}.`);
        break;
      }
      const now = await tipOf({ root, branch, remote });
      // A remote may also refuse for a moment, while another process writes.
      if (now === tip) idle++;
      if (attempt === attempts || idle === mostIdle) throw refusal;
      tell(`The branch ${branch} could not be written, as another process may do so; once more.`);
      await pause(500 * attempt * Math.random());
      tip = now;
      await git(place, 'reset', '--quiet', '--hard', await start(tip));
    }
    await use(history);
  } finally {
    await askGit(root, 'worktree', 'remove', '--force', place);
    await rm(place, { recursive: true, force: true });
  }
}

/** The branch's newest commit, as the remote has it; undefined where there is no such branch. */
async function tipOf({
  root,
  branch,
  remote,
}: Pick<HistoryBranch, 'root' | 'branch' | 'remote'>): Promise<string | undefined> {
  if (remote === null) return askGit(root, 'rev-parse', '--verify', '--quiet', `refs/heads/${branch}`);
  const listed = await git(root, 'ls-remote', remote, `refs/heads/${branch}`);
  if (listed === '') return undefined;
  await git(root, 'fetch', '--quiet', '--no-tags', remote, `refs/heads/${branch}`);
  return git(root, 'rev-parse', '--verify', 'FETCH_HEAD');
}

/** A commit without files and without a parent. */
async function emptyCommit(root: string): Promise<string> {
  const tree = await git(root, 'hash-object', '-t', 'tree', '-w', devNull);
  return git(root, ...(await author(root)), 'commit-tree', tree, '-m', 'A history of benchmarks');
}

/** An author for commits where git knows none, as on machines of CI. */
async function author(root: string): Promise<readonly string[]> {
  const known = (await askGit(root, 'config', 'user.email')) !== undefined;
  return known ? [] : ['-c', 'user.name=kora-bench', '-c', 'user.email=kora-bench@localhost'];
}

/** @returns null where it is done, or why it was refused */
async function publish(
  place: string,
  { branch, remote, tip }: Pick<HistoryBranch, 'branch' | 'remote'> & { readonly tip: string | undefined },
): Promise<InputError | null> {
  const words =
    remote === null
      ? ['update-ref', `refs/heads/${branch}`, 'HEAD', tip ?? '']
      : ['push', '--quiet', remote, `HEAD:refs/heads/${branch}`];
  try {
    await git(place, ...words);
    return null;
  } catch (error) {
    if (error instanceof InputError) return error;
    throw error;
  }
}
