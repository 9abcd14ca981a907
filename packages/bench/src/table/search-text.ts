import type { SummaryRow } from './summary-row.js';
import { learningRateText, plural } from './text-table.js';

/*
 * What a reader must know of a search for learning rates: what chose, from how many, and where it ended at an edge.
 */

type Searched = SummaryRow & { readonly search: NonNullable<SummaryRow['search']> };

/** The rows whose learning rate a search chose. */
export function searchedRows(rows: readonly SummaryRow[]): Searched[] {
  return rows.filter((row): row is Searched => row.search !== null);
}

/** Lines on the search of some rows; none without one. */
export function searchLines(rows: readonly SummaryRow[]): string[] {
  const searched = searchedRows(rows);
  const [first] = searched;
  if (first === undefined) return [];
  const { phase, metric, examples, seed } = first.search;
  const sizes = new Set(searched.map(({ search }) => search.tried.length));
  const label = first.scores.find((score) => score.metric.key === metric)?.metric.label ?? metric;
  const most = Math.max(...sizes);
  const edges = searched.filter(({ search }) => search.edge !== null);
  return [
    `Learning rates: each method’s best of ${sizes.size === 1 ? most : `up to ${most}`} by ${label} on ${examples} val images of ${phase}, with seed ${seed}; test had no part in it.`,
    ...(sizes.size > 1 ? [`The methods tried different numbers of rates: ${counts(searched)}.`] : []),
    ...(edges.length > 0
      ? [
          `↑ ↓: the highest or lowest of the rates tried, so that a better one may lie beyond: ${edges.map(edgeText).join(', ')}.`,
        ]
      : []),
  ];
}

function counts(rows: readonly Searched[]): string {
  return rows.map(({ label, search }) => `${label} ${plural(search.tried.length, 'rate')}`).join(', ');
}

function edgeText({ label, search }: Searched): string {
  const rates = search.tried.map(({ learningRate }) => learningRateText(learningRate));
  return `${label} (${rates[0]} to ${rates.at(-1)})`;
}
