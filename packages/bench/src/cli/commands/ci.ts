import { readdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { InputError } from '@kora-bench/core/errors';
import { dataFolders } from '@kora-bench/platform-node/data-folders';
import { alarmsOf, commentOf } from '../../ci/comment.js';
import { compareRevisions } from '../../ci/compare-revisions.js';
import { addToBranch } from '../../ci/history-branch.js';
import { runSuite } from '../../ci/run-suite.js';
import { comparisonText } from '../../compare/comparison-text.js';
import { readSide } from '../../compare/sources.js';
import { additionsOf } from '../../history/history-cells.js';
import { writeOutput } from '../../records/run-files.js';
import { findRepository, mergeBase, resolveCommit } from '../../revisions/git.js';
import type { RevisionSettings } from '../../revisions/open-revision.js';
import { isFolder, openRevision } from '../../revisions/open-revision.js';
import { plural } from '../../table/text-table.js';
import { writeDashboard } from './dashboard.js';
import { exitCode, printJson, printMessage, printResult } from './output.js';
import type { Interruption } from './signals.js';
import { interruptible } from './signals.js';

interface CiOptions {
  readonly suite?: string;
  readonly quick?: boolean;
  readonly method?: readonly string[];
  readonly backend?: readonly string[];
  readonly model?: readonly string[];
  readonly head: string;
  /** A shell line. */
  readonly setup?: string;
  readonly bin?: string;
  readonly out: string;
}

export interface CiCompareOptions extends CiOptions {
  readonly base: string;
  readonly speedRounds: number;
  readonly speedMinutes: number;
  readonly json?: boolean;
}

/**
 * Compares a change with the commit that it branched off from, and writes `comment.md` and `comparison.json`.
 * @param flags of `run`
 * @returns 1 where a gating measure is worse
 */
export function ciCompare(flags: readonly string[], options: CiCompareOptions): Promise<number> {
  const { suite, method, backend, model } = options;
  return interruptible(async (interruption) => {
    const out = await newFolder(options.out);
    const settings = settingsOf(options, interruption);
    const { root } = await findRepository(settings.cwd);
    const head = await resolveCommit(root, isFolder(options.head) ? 'HEAD' : options.head);
    const base = await mergeBase(root, await resolveCommit(root, options.base), head);
    const comparison = await compareRevisions({
      base: await openRevision(base, settings, options.base),
      head: await openRevision(options.head, settings),
      flags: runFlags(flags, options),
      asked: { suite, method, backend, model, time: 1000 },
      out,
      speedRounds: options.speedRounds,
      speedMinutes: options.speedMinutes,
      stop: interruption.signal,
      tell: printMessage,
    });
    const { results, speed } = comparison;
    const failed = results.failed || speed?.failed === true;
    const comparisons = [results, ...(speed === null ? [] : [speed])];
    const told = { failed, alarms: alarmsOf(comparison), comparisons };
    await writeOutput(join(out, 'comparison.json'), `${JSON.stringify(told, null, 2)}\n`);
    await writeOutput(join(out, 'comment.md'), commentOf(comparison));
    if (options.json) printJson(told);
    else printResult(comparisons.map((one) => comparisonText(one)).join('\n\n'));
    printMessage(`Comment: ${join(out, 'comment.md')}`);
    if (results.cells.length === 0) {
      printMessage('No cell of the base is in the head; nothing was compared.');
      return exitCode.badInput;
    }
    return failed ? exitCode.failed : exitCode.done;
  });
}

export interface CiRecordOptions extends CiOptions {
  readonly branch: string;
  readonly history: string;
  readonly remote: string;
  readonly push: boolean;
  readonly site?: string;
}

/**
 * Runs the suite and adds its results to the history on a branch.
 * @param flags of `run`
 * @returns 1 where a cell failed; what did not fail is added
 */
export function ciRecord(flags: readonly string[], options: CiRecordOptions): Promise<number> {
  const { branch, history, push, remote, site } = options;
  return interruptible(async (interruption) => {
    const out = await newFolder(options.out);
    const settings = settingsOf(options, interruption);
    const revision = await openRevision(options.head, settings);
    const run = join(out, 'run');
    const { commit, dirty, root } = revision;
    await runSuite({
      revision,
      flags: runFlags(flags, options),
      out: run,
      stop: interruption.signal,
      tell: printMessage,
    });
    const { cells, problems } = await readSide(run, { checkout: root });
    for (const problem of problems) printMessage(`Not read: ${problem}`);
    // The suite may be another repository's, or none's.
    const { additions, unfinished } = additionsOf(cells.map((cell) => ({ ...cell, commit, dirty })));
    if (additions.size > 0) {
      await addToBranch(
        { root, branch, remote: push ? remote : null, folder: history },
        {
          additions,
          message: `Results of ${commit?.slice(0, 10) ?? revision.name}`,
          use: async (folder) => {
            if (site !== undefined) printMessage(`Site: ${await writeDashboard([folder, run], site)}`);
          },
          tell: printMessage,
        },
      );
    }
    printResult(`${plural(cells.length - unfinished, 'result')} of ${revision.name} in ${run}.`);
    if (unfinished > 0) printMessage(`${plural(unfinished, 'failed cell')} left out.`);
    return unfinished + problems.length > 0 ? exitCode.failed : exitCode.done;
  });
}

function settingsOf({ setup, bin }: CiOptions, { signal }: Interruption): RevisionSettings {
  return {
    cacheDir: dataFolders().cacheDir,
    cwd: process.cwd(),
    stop: signal,
    tell: printMessage,
    ...(setup !== undefined && { setUp: setup }),
    ...(bin !== undefined && { bin }),
  };
}

function runFlags(flags: readonly string[], options: CiOptions): readonly string[] {
  const { suite, quick } = options;
  const lists = (['method', 'backend', 'model'] as const).flatMap((name) =>
    options[name] === undefined ? [] : [`--${name}`, options[name].join(',')],
  );
  return [
    ...(suite === undefined ? [] : ['--suite', suite]),
    ...(quick ? ['--quick'] : []),
    ...lists,
    ...flags,
  ];
}

/** @throws InputError where something is in it, which would be taken for results of this call */
async function newFolder(name: string): Promise<string> {
  const folder = resolve(name);
  const entries = await readdir(folder).catch(() => []);
  if (entries.length === 0) return folder;
  throw new InputError('The output folder is not empty.', {
    where: folder,
    expected: 'a folder that is new or empty',
    received: entries.slice(0, 5).join(', '),
    fix: 'Remove it, or choose another folder with --out.',
  });
}
