import { formatMetric } from '@kora-bench/core/training';
import type { ScoreColumn, SummaryRow } from './summary-row.js';
import type { PlainColumn } from './text-table.js';
import {
  absent,
  estimateText,
  megabytes,
  metricTitle,
  percent,
  plainTable,
  plural,
  rate,
} from './text-table.js';

interface Column extends PlainColumn {
  cell(row: SummaryRow): string;
}

/**
 * The results as a table, with lines on how to read it.
 * @param width characters of a line; a table that is wider is split, with the methods' names in each part
 */
export function resultsTable(rows: readonly SummaryRow[], width = Number.POSITIVE_INFINITY): string {
  const render = (columns: readonly Column[]) =>
    plainTable(
      columns,
      rows.map((row) => columns.map(({ cell }) => cell(row))),
    );
  const fits = (columns: readonly Column[]) =>
    render(columns)
      .split('\n')
      .every((line) => line.length <= width);
  const names = nameColumns(rows);
  const parts: Column[][] = [[]];
  for (const column of [...scores(rows), ...costColumns(rows)]) {
    const part = parts.at(-1)!;
    if (part.length === 0 || fits([...names, ...part, column])) part.push(column);
    else parts.push([column]);
  }
  return [...parts.map((part) => render([...names, ...part])), ...legend(rows)].join('\n');
}

function nameColumns(rows: readonly SummaryRow[]): Column[] {
  const where = ({ backend, device }: SummaryRow) => `${backend}:${device}`;
  const several = (of: (row: SummaryRow) => string) => new Set(rows.map(of)).size > 1;
  return [
    { title: 'method', cell: ({ label }) => label },
    ...(several(({ model }) => model) ? [{ title: 'model', cell: ({ model }: SummaryRow) => model }] : []),
    ...(several(where) ? [{ title: 'backend', cell: where }] : []),
  ];
}

/** The columns of all rows, each once, in their order. */
export function columnsOf(rows: readonly SummaryRow[]): ScoreColumn[] {
  const columns = new Map<string, ScoreColumn>();
  for (const { scores: own } of rows) for (const column of own) columns.set(keyOf(column), column);
  return [...columns.values()];
}

function keyOf({ phase, evaluation, metric }: ScoreColumn): string {
  return JSON.stringify([phase, evaluation, metric.key]);
}

function scores(rows: readonly SummaryRow[]): Column[] {
  const shown = columnsOf(rows).filter(
    ({ metric, caveat }) => metric.shown === 'table' && (caveat === null || metric.primary),
  );
  return [
    { title: 'tuned\n%', numeric: true, cell: ({ tunedShare }) => percent(tunedShare, 2) },
    ...shown.map((column) => ({
      title: titleOf(column, shown),
      numeric: true,
      cell: (row: SummaryRow) =>
        estimateText(row.scores.find((own) => keyOf(own) === keyOf(column))?.estimate, (value) =>
          formatMetric(column.metric, value),
        ),
    })),
    ...(rows.some(({ meanCka }) => meanCka !== null)
      ? [
          {
            title: 'mean\nCKA',
            numeric: true,
            cell: ({ meanCka }: SummaryRow) => estimateText(meanCka, (value) => value.toFixed(3)),
          },
        ]
      : []),
  ];
}

/** Phase, what tells its evaluation from others, and metric, one below the other. */
function titleOf(
  { phase, evaluation, caveat, protocol, metric }: ScoreColumn,
  all: readonly ScoreColumn[],
): string {
  if (caveat !== null) return `NOT ${broken(phase)}:\n${evaluation}\n${metricTitle(metric)}`;
  const several = new Set(all.filter((one) => one.phase === phase).map((one) => one.evaluation)).size > 1;
  const how = [
    ...(protocol === 'full' || phase.endsWith(protocol) ? [] : [protocol]),
    ...(several ? [evaluation] : []),
  ];
  return [broken(phase), ...how, metricTitle(metric)].join('\n');
}

/** A long name on two lines, so that no column is wider than it needs to be. */
function broken(name: string): string {
  const hyphen = name.indexOf('-');
  return name.length <= 12 || hyphen < 0 ? name : `${name.slice(0, hyphen + 1)}\n${name.slice(hyphen + 1)}`;
}

function costColumns(rows: readonly SummaryRow[]): Column[] {
  return [
    { title: 'images\n/s', numeric: true, cell: ({ imagesPerSecond }) => rate(imagesPerSecond.value) },
    ...(keepsFeatures(rows)
      ? [
          {
            title: 'features\nimages/s',
            numeric: true,
            cell: ({ featuresImagesPerSecond: pass }: SummaryRow) => (pass ? rate(pass.value) : absent),
          },
        ]
      : []),
    { title: 'peak\nMB', numeric: true, cell: ({ peakMemoryBytes }) => megabytes(peakMemoryBytes) },
    { title: 'findings', cell: ({ findings }) => findingsText(findings) },
  ];
}

function keepsFeatures(rows: readonly SummaryRow[]): boolean {
  return rows.some(({ featuresImagesPerSecond }) => featuresImagesPerSecond !== null);
}

function findingsText({ error, warning, info }: SummaryRow['findings']): string {
  const parts = [
    error > 0 && plural(error, 'error'),
    warning > 0 && plural(warning, 'warning'),
    info > 0 && `${info} info`,
  ];
  return parts.filter(Boolean).join('\n') || 'none';
}

function legend(rows: readonly SummaryRow[]): string[] {
  const seeds = rows.map((row) => row.seeds.length);
  const many = Math.max(...seeds);
  const uneven = rows.filter((row) => row.seeds.length < many).map(({ label }) => label);
  const caveats = new Set(columnsOf(rows).flatMap(({ caveat }) => caveat ?? []));
  const draws = rows.some(({ scores: own, seeds: of }) =>
    own.some(({ estimate }) => (estimate?.measurements ?? 0) > of.length),
  );
  const means = many > 1 || draws;
  const overImages = rows.some(({ scores: own }) =>
    own.some(
      ({ metric, estimate }) =>
        metric.shown === 'table' && estimate?.measurements === 1 && estimate.interval !== null,
    ),
  );
  return [
    [
      means &&
        `Means over ${[many > 1 && `${many} seeds`, draws && 'draws'].filter(Boolean).join(' and ')}; in brackets the 95 % interval of the mean: Student’s t, on the logit scale for shares and the log scale for what is never negative.`,
      overImages &&
        `${means ? 'In the brackets of a single measurement' : 'In brackets'}: 95 % Wilson interval over the images.`,
      many === 1 && !draws && 'One seed: differences between rows may be chance.',
    ]
      .filter(Boolean)
      .join(' '),
    ...(many > 1 && uneven.length > 0 ? [`Fewer seeds are done for ${uneven.join(', ')}.`] : []),
    ...[...caveats].map((caveat) => `NOT: ${caveat}`),
    speedText(rows),
    [
      rows.some(({ meanCka }) => meanCka !== null) && 'Mean CKA: between different blocks, debiased.',
      `${absent}: not measured.`,
    ]
      .filter(Boolean)
      .join(' '),
  ];
}

function speedText(rows: readonly SummaryRow[]): string {
  const steps = 'images/s: the steps of training in the first phase, on this machine';
  if (!keepsFeatures(rows)) return `${steps}.`;
  const none = rows.some(({ featuresImagesPerSecond }) => featuresImagesPerSecond === null);
  return [
    `${steps}; where features are kept, a step runs only what comes after them.`,
    'features images/s: the one pass that computed the kept features, what the frozen first blocks make of each image, in this run or an earlier one; no part of images/s.',
    none && `${absent} there: nothing is kept, and a step runs the whole model.`,
  ]
    .filter(Boolean)
    .join(' ');
}
