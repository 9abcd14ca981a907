import { resolve } from 'node:path';
import { InputError } from '@kora-bench/core/errors';
import { dataFolders } from '@kora-bench/platform-node/data-folders';
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
import { writeOutput } from '../../records/run-files.js';
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

/** Compares each head with the base. @returns 1 where a gating measure is worse */
export async function compare(
  base: string,
  heads: readonly string[],
  { json, markdown, html, all, confirm, history, ignore = [] }: CompareCommandOptions,
  entry?: string | URL,
): Promise<number> {
  if (json && markdown) {
    throw new InputError('There is one output.', {
      where: '--json, --markdown',
      expected: 'one of them',
      received: 'both',
      fix: 'Give one; --html writes a file and goes with either.',
    });
  }
  const ignored = new Set(ignore);
  const before = await readSide(base, { ignored });
  const options =
    history === undefined ? {} : { noiseOf: noiseOfHistory(await readHistory(resolve(history))) };
  const comparisons: RunComparison[] = [];
  for (const name of heads) {
    const head = await readSide(name, { ignored });
    const first = await compareRuns(before, head, options);
    if (!confirm) {
      comparisons.push(first);
      continue;
    }
    const view = chooseView();
    const { comparison, message } = await confirmWorse({
      base: before,
      head,
      comparison: first,
      options,
      ignored,
      context: dataFolders(),
      view,
      ...(entry !== undefined && { entry }),
    }).finally(() => view.close());
    if (message !== null) printMessage(message);
    comparisons.push(comparison);
  }
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
