import { formatMetric, primaryMetric } from '@kora-bench/core/training';
import type { PhaseFacts } from '../table/phase-facts.js';
import { edgeMark, rowName } from '../table/phase-table.js';
import { searchedRows, searchLines } from '../table/search-text.js';
import type { SummaryRow } from '../table/summary-row.js';
import { absent, learningRateText, metricTitle } from '../table/text-table.js';
import { escapeHtml, heading, markup, table } from './html.js';

/** The search for the learning rates: what every method scored on val at each; undefined without one. */
export function searchSection(
  phases: readonly PhaseFacts[],
  rows: readonly SummaryRow[],
): string | undefined {
  const searched = searchedRows(rows);
  const facts = phases.find(({ name }) => name === searched[0]?.search.phase);
  if (facts === undefined) return undefined;
  const metric = primaryMetric(facts.metrics);
  const most = Math.max(...searched.map(({ search }) => search.tried.length));
  type Row = (typeof searched)[number];
  const field = (row: Row, index: number) => {
    const tried = row.search.tried[index];
    if (tried === undefined) return '';
    const score =
      tried.value === null
        ? tried.error === null
          ? absent
          : 'broke off'
        : formatMetric(metric, tried.value);
    const chosen = tried.learningRate === row.search.chosen;
    const text = `${escapeHtml(score)}<br><small>at ${learningRateText(tried.learningRate)}${chosen ? edgeMark(row) : ''}</small>`;
    return chosen ? `<span class="chosen-rate">${text}</span>` : text;
  };
  return markup(
    heading('Search for the learning rates'),
    ...searchLines(rows).map((line) => `<p>${escapeHtml(line)}</p>`),
    table(
      `${metricTitle(metric)} on val at each rate tried, by rising rate; the chosen one in bold`,
      [
        { title: 'method', cell: (row: Row) => escapeHtml(rowName(row, rows)) },
        {
          title: 'chosen rate',
          numeric: true,
          cell: (row: Row) => `${learningRateText(row.search.chosen)}${edgeMark(row)}`,
        },
        ...Array.from({ length: most }, (_, index) => ({
          title: `rate ${index + 1}`,
          numeric: true,
          cell: (row: Row) => field(row, index),
        })),
      ],
      searched,
    ),
  );
}
