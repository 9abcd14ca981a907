import { cellsText, readingHelp, remarks, rowTexts, sortedRows, verdictCounts } from './comparison-text.js';
import type { ComparisonRow, RunComparison } from './run-comparison.js';

/** Comments of pull requests end at 65,536 characters; this many rows of a table leave room. */
const mostRows = 150;

/**
 * Comparisons as Markdown, for a pull request's comment: what changed first, the rest folded away and counted.
 * @param titles of each; by default the names of its sides
 * @param mostFolded rows that are folded away; more are counted alone
 */
export function comparisonMarkdown(
  comparisons: readonly RunComparison[],
  { titles = [], mostFolded = mostRows }: { titles?: readonly string[]; mostFolded?: number } = {},
): string {
  const parts = comparisons.flatMap((comparison, i) => {
    const { shown, folded } = sortedRows(comparison);
    const said = remarks(comparison);
    const title = titles[i] ?? `${comparison.base} → ${comparison.head}`;
    return [
      `### ${escapeMarkdown(title)}: ${verdictCounts(comparison.rows)}`,
      `${cellsText(comparison)}.`,
      ...(shown.length > 0
        ? [table(shown.slice(0, mostRows))]
        : ['Nothing has changed that can be told from chance.']),
      ...(shown.length > mostRows ? [`And ${shown.length - mostRows} more.`] : []),
      ...(folded.length > 0
        ? [
            details(
              verdictCounts(folded),
              [
                ...(mostFolded > 0 ? [table(folded.slice(0, mostFolded))] : []),
                ...(folded.length > mostFolded ? [`And ${folded.length - mostFolded} more.`] : []),
              ].join('\n\n'),
            ),
          ]
        : []),
      ...(said.length > 0
        ? [details('What was not compared', said.map((text) => `- ${escapeMarkdown(text)}`).join('\n'))]
        : []),
    ];
  });
  return `${[...parts, `<sub>${readingHelp}</sub>`].join('\n\n')}\n`;
}

const icons = { worse: '🔴', better: '🟢', same: '⚪', undecided: '🟡' } as const;

function table(rows: readonly ComparisonRow[]): string {
  const lines = rows.map((row) => {
    const texts = rowTexts(row);
    const cells = [
      `${icons[row.verdict]} ${texts.verdict}`,
      texts.cell,
      texts.measure,
      texts.base,
      texts.head,
      texts.difference,
      texts.p,
      [texts.test, texts.note].filter((text) => text !== '').join('. '),
    ];
    return `| ${cells.map(escapeMarkdown).join(' | ')} |`;
  });
  return [
    '| verdict | cell | measure | base | head | difference | p | test |',
    '|---|---|---|--:|--:|--:|--:|---|',
    ...lines,
  ].join('\n');
}

function details(summary: string, content: string): string {
  return `<details><summary>${summary}</summary>\n\n${content}\n\n</details>`;
}

/** Names come from users: nothing in them may end a table's cell, begin markup or mention anybody. */
export function escapeMarkdown(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replace(/[\\`*_[\]|]/g, '\\$&')
    .replaceAll('@', '@\u200b')
    .replace(/\s+/g, ' ');
}
