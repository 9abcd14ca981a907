import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { FormatError, InputError } from '@kora-bench/core/errors';
import { dataFolders } from '@kora-bench/platform-node/data-folders';
import type { AbFile } from '../../ab/ab-measurements.js';
import { abFileSchema } from '../../ab/ab-measurements.js';
import { compareAb } from '../../ab/compare-ab.js';
import { compareRuns } from '../../compare/compare-runs.js';
import { comparisonMarkdown } from '../../compare/comparison-markdown.js';
import { comparisonPage } from '../../compare/comparison-page.js';
import { comparisonText } from '../../compare/comparison-text.js';
import { confirmWorse } from '../../compare/confirm.js';
import type { RunComparison } from '../../compare/run-comparison.js';
import { readSide } from '../../compare/sources.js';
import { noiseOfHistory } from '../../history/history-cells.js';
import { readHistory } from '../../history/history-files.js';
import { chooseView } from '../../progress/views.js';
import { readJsonFile, writeOutput } from '../../records/run-files.js';
import { exitCode, printJson, printMessage, printResult } from './output.js';

export interface CompareCommandOptions {
  readonly json?: boolean;
  readonly markdown?: boolean;
  /** Where the page goes. */
  readonly html?: string;
  readonly all?: boolean;
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
  const { json, markdown, html, all } = options;
  if (json && markdown) {
    throw new InputError('There is one output.', {
      where: '--json, --markdown',
      expected: 'one of them',
      received: 'both',
      fix: 'Give one; --html writes a file and goes with either.',
    });
  }
  const comparisons =
    heads.length === 0
      ? [await compareMeasured(resolve(base), options)]
      : await compareHeads(base, heads, options, entry);
  if (html !== undefined) {
    await writeOutput(resolve(html), comparisonPage(comparisons));
    printMessage(`Page: ${resolve(html)}`);
  }
  if (json) printJson({ comparisons });
  else if (markdown) printResult(comparisonMarkdown(comparisons).trimEnd());
  else printResult(comparisons.map((one) => comparisonText(one, all)).join('\n\n'));
  if (comparisons.every(({ cells }) => cells.length === 0)) {
    printMessage('No cell of one side is on the other; nothing was compared.');
    return exitCode.badInput;
  }
  return comparisons.some(({ failed }) => failed) ? exitCode.failed : exitCode.done;
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

/** What `ab` measured, again as it was shown then. */
async function compareMeasured(path: string, options: CompareCommandOptions): Promise<RunComparison> {
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
  const file = await readJsonFile<AbFile>(path, abFileSchema, {
    kind: 'file of ab',
    version: 1,
    fix: 'Name a head, or the file that ab wrote.',
  });
  if (file.measurements.length === 0) {
    throw new FormatError('Nothing was measured.', {
      where: path,
      expected: 'at least one measurement of each side',
      received: file.failures.map(({ side, message }) => `${side}: ${message}`).join('; ') || 'none',
      fix: 'Run ab again.',
    });
  }
  return compareAb(file, { speedGates: true });
}
