import { join, resolve } from 'node:path';
import { dataFolders } from '@kora-bench/platform-node/data-folders';
import type { AbFile } from '../../ab/ab-measurements.js';
import { compareAb } from '../../ab/compare-ab.js';
import type { AbAsked } from '../../ab/run-ab.js';
import { roundsText, runAb, unitsOf } from '../../ab/run-ab.js';
import { runsFolder, timeName } from '../../records/run-folder.js';
import { openRevision } from '../../revisions/open-revision.js';
import { exitCode, printMessage } from './output.js';
import type { ComparisonView } from './show-comparisons.js';
import { checkOneOutput, showComparisons } from './show-comparisons.js';
import { interruptible } from './signals.js';

export interface AbCommandOptions extends Omit<AbAsked, 'model'>, Omit<ComparisonView, 'html'> {
  readonly model?: string;
  readonly rounds: number;
  readonly minutes?: number;
  /** A shell line. */
  readonly setup?: string;
  readonly bin?: string;
  /** The file of the measurements. */
  readonly out?: string;
}

/** Compares the speed and memory of two revisions, measured by turns. @returns 1 where something is worse */
export async function ab(base: string, head: string, options: AbCommandOptions): Promise<number> {
  const { rounds, minutes = Infinity, setup, bin, out, all, json, markdown } = options;
  checkOneOutput({ json, markdown });
  return interruptible(async ({ signal: stop }) => {
    const settings = {
      cacheDir: dataFolders().cacheDir,
      cwd: process.cwd(),
      stop,
      tell: printMessage,
      ...(setup !== undefined && { setUp: setup }),
      ...(bin !== undefined && { bin }),
    };
    const sides = { base: await openRevision(base, settings), head: await openRevision(head, settings) };
    const path = resolve(out ?? join(runsFolder, `${timeName()}-ab.json`));
    const file = await runAb({
      ...sides,
      units: await unitsOf(
        { ...options, model: options.model === undefined ? undefined : [options.model] },
        sides.head,
      ),
      rounds,
      minutes,
      out: path,
      speedGates: true,
      stop,
      tell: printMessage,
    });
    return showAb(file, path, { all, json, markdown });
  });
}

/** Shows what `ab` measured, which stands in the file `path`. @returns 1 where something is worse */
export async function showAb(file: AbFile, path: string, view: ComparisonView): Promise<number> {
  if (file.measurements.length === 0) {
    for (const { side, unit, message } of file.failures)
      printMessage(`${unit} failed on the ${side}: ${message}`);
    printMessage('Nothing was measured.');
    return exitCode.badInput;
  }
  const { cpu, cores } = file.machine;
  const code = await showComparisons([await compareAb(file, { speedGates: true })], view, {
    json: { measurements: path },
    text: `${roundsText(file)} by turns on ${cpu}, ${cores} cores.`,
  });
  printMessage(`Measurements: ${path}`);
  return code;
}
