import type { Column } from '../report/html.js';
import { escapeHtml, markup, table } from '../report/html.js';
import { page } from '../report/page.js';
import { cellsText, readingHelp, remarks, rowTexts, sortedRows, verdictCounts } from './comparison-text.js';
import type { ComparisonRow, RunComparison } from './run-comparison.js';

/** Comparisons as one HTML file, with nothing loaded from elsewhere. */
export function comparisonPage(comparisons: readonly RunComparison[]): string {
  const title = `KoRA Bench: ${comparisons.map(({ base, head }) => `${base} → ${head}`).join(', ')}`;
  return page({
    title,
    main: markup(
      '<h1>Comparison</h1>',
      `<p class="lead">${escapeHtml(readingHelp)}</p>`,
      ...comparisons.map(section),
    ),
  });
}

function section(comparison: RunComparison): string {
  const { shown, folded } = sortedRows(comparison);
  const said = remarks(comparison);
  return markup(
    `<h2>${escapeHtml(comparison.base)} → ${escapeHtml(comparison.head)}</h2>`,
    `<p><strong>${escapeHtml(verdictCounts(comparison.rows))}.</strong> ${escapeHtml(cellsText(comparison))}.</p>`,
    shown.length > 0
      ? table('What changed', comparisonColumns, shown)
      : '<p>Nothing has changed that can be told from chance.</p>',
    folded.length > 0 &&
      `<details><summary>${escapeHtml(verdictCounts(folded))}</summary>${table('What did not change, and what cannot be told', comparisonColumns, folded)}</details>`,
    said.length > 0 &&
      `<h3>What was not compared</h3><ul>${said.map((text) => `<li>${escapeHtml(text)}</li>`).join('')}</ul>`,
  );
}

const text = (of: (row: ReturnType<typeof rowTexts>) => string) => (row: ComparisonRow) =>
  escapeHtml(of(rowTexts(row)));

/** Of tables of rows. */
export const comparisonColumns: readonly Column<ComparisonRow>[] = [
  {
    title: 'verdict',
    cell: (row) => `<span class="verdict ${row.verdict}">${escapeHtml(rowTexts(row).verdict)}</span>`,
  },
  { title: 'cell', cell: text(({ cell }) => cell) },
  { title: 'measure', cell: text(({ measure }) => measure) },
  { title: 'base', numeric: true, cell: text(({ base }) => base) },
  { title: 'head', numeric: true, cell: text(({ head }) => head) },
  {
    title: 'difference',
    numeric: true,
    hint: 'head − base, 95 %',
    cell: text(({ difference }) => difference),
  },
  { title: 'p', numeric: true, hint: 'after Holm', cell: text(({ p }) => p) },
  { title: 'test', cell: text(({ test, note }) => [test, note].filter((part) => part !== '').join('. ')) },
];
