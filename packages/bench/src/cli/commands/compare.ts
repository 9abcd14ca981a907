import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { InputError } from '@kora-bench/core/errors';
import { dataFolders } from '@kora-bench/platform-node/data-folders';
import type { AbFile } from '../../ab/ab-measurements.js';
import { abFileSchema } from '../../ab/ab-measurements.js';
import { compareRuns } from '../../compare/compare-runs.js';
import { confirmWorse } from '../../compare/confirm.js';
import type { RunComparison } from '../../compare/run-comparison.js';
import { readSide } from '../../compare/sources.js';
import { noiseOfHistory } from '../../history/history-cells.js';
import { readHistory } from '../../history/history-files.js';
import { chooseView } from '../../progress/views.js';
import { readJsonFile } from '../../records/run-files.js';
import { showAb } from './ab.js';
import { exitCode, printMessage } from './output.js';
import type { ComparisonView } from './show-comparisons.js';
import { checkOneOutput, showComparisons } from './show-comparisons.js';

export interface CompareCommandOptions extends ComparisonView {
  readonly confirm?: boolean;
  /** The folder whose series say how noisy measurements are. */
  readonly history?: string;
  /** Paths of settings that may differ. */
  readonly ignore?: readonly string[];
}

/**
 * Compares each head with the base; without a head, the two sides that a file of `ab` holds.
 * @returns 1 where a gating measure is worse
 */
export async function compare(
  base: string,
  heads: readonly string[],
  options: CompareCommandOptions,
  entry?: string | URL,
): Promise<number> {
  checkOneOutput(options);
  if (heads.length === 0) {
    const path = resolve(base);
    return showAb(await measuredByAb(path, options), path, options);
  }
  const comparisons = await compareHeads(base, heads, options, entry);
  const code = await showComparisons(comparisons, options);
  if (comparisons.some(({ cells }) => cells.length > 0)) return code;
  printMessage('No cell of one side is on the other; nothing was compared.');
  return exitCode.badInput;
}

async function compareHeads(
  base: string,
  heads: readonly string[],
  { confirm, history, ignore = [] }: CompareCommandOptions,
  entry: string | URL | undefined,
): Promise<readonly RunComparison[]> {
  const ignored = new Set(ignore);
  const before = await readSide(base, { ignored });
  const settings =
    history === undefined ? {} : { noiseOf: noiseOfHistory(await readHistory(resolve(history))) };
  const comparisons: RunComparison[] = [];
  for (const name of heads) {
    const head = await readSide(name, { ignored });
    const first = await compareRuns(before, head, settings);
    if (!confirm) {
      comparisons.push(first);
      continue;
    }
    const view = chooseView();
    const { comparison, message } = await confirmWorse({
      base: before,
      head,
      comparison: first,
      options: settings,
      ignored,
      context: dataFolders(),
      view,
      ...(entry !== undefined && { entry }),
    }).finally(() => view.close());
    if (message !== null) printMessage(message);
    comparisons.push(comparison);
  }
  return comparisons;
}

/** What `ab` measured, from its file. */
async function measuredByAb(path: string, options: CompareCommandOptions): Promise<AbFile> {
  const refused = (['confirm', 'history', 'ignore'] as const).find((flag) => options[flag] !== undefined);
  if (refused !== undefined) {
    throw new InputError('A file of ab holds both sides, with all that there is to know of them.', {
      where: `--${refused}`,
      expected: 'a base and at least one head',
      received: 'one side',
      fix: `Leave out --${refused}, or name a head.`,
    });
  }
  const isFile = (await stat(path).catch(() => undefined))?.isFile() ?? false;
  if (!isFile) {
    throw new InputError('There is nothing to compare with.', {
      where: path,
      expected: 'a base and at least one head, or the file of measurements that ab wrote',
      received: 'one side',
      fix: 'Name a head: kora-bench compare BASE HEAD.',
    });
  }
  return readJsonFile<AbFile>(path, abFileSchema, {
    kind: 'file of ab',
    version: 1,
    fix: 'Name a head, or the file that ab wrote.',
  });
}
