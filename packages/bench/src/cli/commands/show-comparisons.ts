import { resolve } from 'node:path';
import { InputError } from '@kora-bench/core/errors';
import { comparisonMarkdown } from '../../compare/comparison-markdown.js';
import { comparisonPage } from '../../compare/comparison-page.js';
import { comparisonText } from '../../compare/comparison-text.js';
import type { RunComparison } from '../../compare/run-comparison.js';
import { writeOutput } from '../../records/run-files.js';
import { exitCode, printJson, printMessage, printResult } from './output.js';

/** How comparisons are shown. */
export interface ComparisonView {
  /** Whether what did not change is shown, too. */
  readonly all?: boolean | undefined;
  readonly json?: boolean | undefined;
  readonly markdown?: boolean | undefined;
  /** Where a page goes, beside the output. */
  readonly html?: string | undefined;
}

/** @throws InputError where two forms are asked for */
export function checkOneOutput({ json, markdown }: ComparisonView): void {
  if (!json || !markdown) return;
  throw new InputError('There is one output.', {
    where: '--json, --markdown',
    expected: 'one of them',
    received: 'both',
    fix: 'Give one, and call the command again for the other.',
  });
}

/**
 * Prints comparisons in the form that is asked for, and writes their page.
 * @param more what else the JSON holds, and a last line of the text
 * @returns 1 where a gating measure is worse
 */
export async function showComparisons(
  comparisons: readonly RunComparison[],
  { all, json, markdown, html }: ComparisonView,
  more: { readonly json?: object; readonly text?: string } = {},
): Promise<number> {
  if (html !== undefined) {
    await writeOutput(resolve(html), comparisonPage(comparisons));
    printMessage(`Page: ${resolve(html)}`);
  }
  if (json) printJson({ comparisons, ...more.json });
  else if (markdown) printResult(comparisonMarkdown(comparisons).trimEnd());
  else {
    printResult(comparisons.map((one) => comparisonText(one, all)).join('\n\n'));
    if (more.text !== undefined) printResult(more.text);
  }
  return comparisons.some(({ failed }) => failed) ? exitCode.failed : exitCode.done;
}
