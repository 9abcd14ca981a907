import { cellsText, readingHelp, remarks, rowTexts, sortedRows, verdictCounts } from './comparison-text.js';
import type { ComparisonRow, RunComparison } from './run-comparison.js';

/** Comments of pull requests end at 65,536 characters; this many folded rows leave room. */
const mostFolded = 150;

/** Comparisons as Markdown, for a pull request's comment: what changed first, the rest folded away and counted. */
export function comparisonMarkdown(comparisons: readonly RunComparison[]): string {
  const parts = comparisons.flatMap((comparison) => {
    const { shown, folded } = sortedRows(comparison);
    const said = remarks(comparison);
    return [
      `### ${escapeMarkdown(comparison.base)} → ${escapeMarkdown(comparison.head)}: ${verdictCounts(comparison.rows)}`,
      `${cellsText(comparison)}.`,
      ...(shown.length > 0 ? [table(shown)] : ['Nothing has changed that can be told from chance.']),
      ...(folded.length > 0
        ? [
            details(
              verdictCounts(folded),
              [
                table(folded.slice(0, mostFolded)),
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
function escapeMarkdown(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replace(/[\\`*_[\]|]/g, '\\$&')
    .replaceAll('@', '@\u200b')
    .replace(/\s+/g, ' ');
}
