import { measureText } from '../measures/measures.js';
import { plainTable, plural } from '../table/text-table.js';
import type { ComparisonRow, RunComparison } from './run-comparison.js';

/** A row's texts, the same in the terminal, in Markdown and in HTML. */
export interface RowTexts {
  readonly verdict: string;
  readonly cell: string;
  readonly measure: string;
  readonly base: string;
  readonly head: string;
  /** With its interval. */
  readonly difference: string;
  readonly p: string;
  readonly test: string;
  readonly note: string;
}

export function rowTexts({
  verdict,
  unconfirmed,
  cell,
  measure,
  comparison,
  adjustedP,
  note,
}: ComparisonRow): RowTexts {
  const { base, head, difference, interval, test } = comparison;
  const signed = (value: number) => `${value > 0 ? '+' : ''}${measureText({ ...measure, unit: '' }, value)}`;
  const relative =
    measure.kind === 'quality' || base === 0 || difference === 0 ? '' : ` (${percentChange(head / base)})`;
  const range =
    interval === null || difference === interval[0]
      ? ''
      : ` [${signed(interval[0])}, ${signed(interval[1])}]`;
  return {
    verdict: unconfirmed === null ? verdict : `${verdict}: ${unconfirmed}?`,
    cell,
    measure: measure.gating ? measure.title : `${measure.title} (informs)`,
    base: measureText(measure, base),
    head: measureText(measure, head),
    difference: `${signed(difference)}${range}${relative}`,
    p: adjustedP === null ? '' : pText(adjustedP),
    test,
    note: note ?? '',
  };
}

const percentChange = (ratio: number) => `${ratio >= 1 ? '+' : ''}${(100 * (ratio - 1)).toFixed(1)} %`;

export function pText(p: number): string {
  return p < 0.0001 ? '<0.0001' : p.toFixed(p < 0.1 ? 4 : 2);
}

/** Rows in the order that readers need: worse, better, what may be worse; then the rest. */
export function sortedRows({ rows }: Pick<RunComparison, 'rows'>): {
  readonly shown: readonly ComparisonRow[];
  readonly folded: readonly ComparisonRow[];
} {
  const of = (verdict: ComparisonRow['verdict'], unconfirmed = false) =>
    rows.filter((row) => row.verdict === verdict && (row.unconfirmed !== null) === unconfirmed);
  return {
    shown: [...of('worse'), ...of('better'), ...of('undecided', true)],
    folded: [...of('undecided'), ...of('same')],
  };
}

/** `2 worse, 1 better, 14 same, 3 undecided`; what there is none of is left out. */
export function verdictCounts(rows: readonly ComparisonRow[]): string {
  const verdicts = ['worse', 'better', 'same', 'undecided'] as const;
  const counts = verdicts.flatMap((verdict) => {
    const count = rows.filter((row) => row.verdict === verdict).length;
    return count === 0 ? [] : [`${count} ${verdict}`];
  });
  return counts.join(', ') || 'nothing was compared';
}

/** What was compared, in a sentence or two. */
export function cellsText({ cells, unmatched, refused }: RunComparison): string {
  const identical = cells.filter(({ likeness }) => likeness === 'identical').length;
  const nearly = cells.filter(({ likeness }) => likeness === 'differs in the last digits').length;
  const alike = [
    identical > 0 && `${identical} identical bit by bit`,
    nearly > 0 && `${nearly} but for the last digits`,
  ]
    .filter(Boolean)
    .join(', ');
  return [
    `${plural(cells.length, 'cell')} compared${alike === '' ? '' : ` (${alike})`}`,
    unmatched.length > 0 && `${unmatched.length} without a partner`,
    refused.length > 0 && `${plural(refused.length, 'part')} that must not be compared`,
  ]
    .filter(Boolean)
    .join(', ');
}

/** What has no partner, what must not be compared and what could not be read: one line each. */
export function remarks({ unmatched, refused, problems }: RunComparison): string[] {
  return [
    ...refused.map(({ cell, what, reason }) => `Not compared: ${what} of ${cell}. ${reason}`),
    ...unmatchedTexts(unmatched),
    ...problems.map((problem) => `Not read: ${problem}`),
  ];
}

/** Cells that are alone for the same reason share a line. */
function unmatchedTexts(unmatched: RunComparison['unmatched']): string[] {
  const groups = new Map<string, { readonly names: Set<string>; readonly seeds: Set<number> }>();
  for (const { side, name, seed, reason } of unmatched) {
    const key = JSON.stringify([side, reason]);
    const group = groups.get(key) ?? { names: new Set(), seeds: new Set() };
    group.names.add(name);
    group.seeds.add(seed);
    groups.set(key, group);
  }
  return [...groups].map(([key, { names, seeds }]) => {
    const [side, reason] = JSON.parse(key) as [string, string];
    return `Only in the ${side}: ${[...names].join(', ')}; seed ${[...seeds].join(', ')}: ${reason}.`;
  });
}

/** How to read it. */
export const readingHelp =
  'Differences are head − base with 95 % intervals; p after Holm’s correction, verdicts at 0.01. Same: the interval lies within half a point of a share, 1 % of other metrics, or the noise. Undecided: no evidence for either.';

/**
 * A comparison for a terminal.
 * @param all also shows the rows that say nothing has changed
 */
export function comparisonText(comparison: RunComparison, all = false): string {
  const { shown, folded } = sortedRows(comparison);
  const rows = all ? [...shown, ...folded] : shown;
  const texts = rows.map(rowTexts);
  const notes = [...new Set(texts.map(({ note }) => note).filter((note) => note !== ''))];
  const table =
    rows.length === 0
      ? []
      : [
          plainTable(
            [
              { title: 'verdict' },
              { title: 'cell' },
              { title: 'measure' },
              { title: 'base', numeric: true },
              { title: 'head', numeric: true },
              { title: 'difference', numeric: true },
              { title: 'p', numeric: true },
              { title: 'test' },
            ],
            texts.map((row) => [
              row.verdict,
              row.cell,
              row.measure,
              row.base,
              row.head,
              row.difference,
              row.p,
              row.test,
            ]),
          ),
          ...notes,
        ];
  return [
    `${comparison.base} → ${comparison.head}: ${verdictCounts(comparison.rows)}.`,
    `${cellsText(comparison)}.`,
    ...table,
    ...(folded.length > 0 && !all ? [`Not shown: ${verdictCounts(folded)}; --all shows them.`] : []),
    ...remarks(comparison),
    ...(rows.length > 0 ? [readingHelp] : []),
  ].join('\n');
}
