import { join, resolve } from 'node:path';
import { InputError } from '@kora-bench/core/errors';
import { dataFolders } from '@kora-bench/platform-node/data-folders';
import type { AbFile } from '../../ab/ab-measurements.js';
import { compareAb } from '../../ab/compare-ab.js';
import type { AbAsked } from '../../ab/run-ab.js';
import { roundsText, runAb, unitsOf } from '../../ab/run-ab.js';
import { comparisonMarkdown } from '../../compare/comparison-markdown.js';
import { comparisonText } from '../../compare/comparison-text.js';
import { runsFolder, timeName } from '../../records/run-folder.js';
import { openRevision } from '../../revisions/open-revision.js';
import { exitCode, printJson, printMessage, printResult } from './output.js';
import { interruptible } from './signals.js';

export interface AbCommandOptions extends Omit<AbAsked, 'model'> {
  readonly model?: string;
  readonly rounds: number;
  readonly minutes?: number;
  /** A shell line. */
  readonly setup?: string;
  readonly bin?: string;
  /** The file of the measurements. */
  readonly out?: string;
  readonly all?: boolean;
  readonly json?: boolean;
  readonly markdown?: boolean;
}

/** Compares the speed and memory of two revisions, measured by turns. @returns 1 where something is worse */
export async function ab(base: string, head: string, options: AbCommandOptions): Promise<number> {
  const { rounds, minutes = Infinity, setup, bin, out, all, json, markdown } = options;
  if (json && markdown) {
    throw new InputError('There is one output.', {
      where: '--json, --markdown',
      expected: 'one of them',
      received: 'both',
      fix: 'Give one; --out names the file of the measurements.',
    });
  }
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
    return show(file, path, { all, json, markdown });
  });
}

interface Shown {
  readonly all: boolean | undefined;
  readonly json: boolean | undefined;
  readonly markdown: boolean | undefined;
}

async function show(file: AbFile, path: string, { all, json, markdown }: Shown): Promise<number> {
  if (file.measurements.length === 0) {
    for (const { side, unit, message } of file.failures)
      printMessage(`${unit} failed on the ${side}: ${message}`);
    printMessage('Nothing was measured.');
    return exitCode.badInput;
  }
  const comparison = await compareAb(file, { speedGates: true });
  if (json) printJson({ comparisons: [comparison], measurements: path });
  else if (markdown) printResult(comparisonMarkdown([comparison]).trimEnd());
  else {
    const { cpu, cores } = file.machine;
    printResult(comparisonText(comparison, all));
    printResult(`${roundsText(file)} by turns on ${cpu}, ${cores} cores.`);
  }
  printMessage(`Measurements: ${path}`);
  return comparison.failed ? exitCode.failed : exitCode.done;
}
