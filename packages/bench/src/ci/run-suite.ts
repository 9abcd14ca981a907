import { existsSync, readdirSync } from 'node:fs';
import { InputError } from '@kora-bench/core/errors';
import { planPath, recordsFolder } from '../records/run-files.js';
import type { Revision } from '../revisions/open-revision.js';
import { stopped } from '../revisions/open-revision.js';
import { runCommand } from '../revisions/run-command.js';

export interface SuiteRun {
  readonly revision: Revision;
  /** Of `run`. */
  readonly flags: readonly string[];
  /** The run folder. */
  readonly out: string;
  readonly stop: AbortSignal;
  readonly tell: (text: string) => void;
}

/**
 * Runs the suite with a revision's own command line. Cells that fail are results too.
 * @throws InputError where it leaves no record
 */
export async function runSuite({ revision, flags, out, stop, tell }: SuiteRun): Promise<void> {
  tell(`Running the suite with ${revision.name} ...`);
  const end = await runCommand({
    command: process.execPath,
    args: [revision.bin, 'run', ...flags, '--out', out],
    cwd: revision.folder,
    stop,
    onMessage: (text) => tell(text.trimEnd()),
  });
  if (stop.aborted) throw stopped(`the suite with ${revision.name}`);
  const records = existsSync(recordsFolder(out)) ? readdirSync(recordsFolder(out)) : [];
  if (existsSync(planPath(out)) && records.length > 0) return;
  throw new InputError(`The suite does not run with ${revision.name}.`, {
    where: `${revision.bin} run ${flags.join(' ')}, in ${revision.folder}`,
    expected: 'a run folder with records',
    received: [
      `exit code ${end.code ?? 'unknown'}; the end of what it printed:`,
      ...end.output.trimEnd().split('\n').slice(-12),
    ].join('\n    '),
    fix: 'Correct what it says; the flags behind -- are those of `run`, and paths are taken from the revision’s folder.',
  });
}
