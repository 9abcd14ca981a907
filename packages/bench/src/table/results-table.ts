import type { PhaseFacts } from './phase-facts.js';
import { describeImages, describePhase } from './phase-facts.js';
import type { Column, Content } from './phase-table.js';
import { columnsOf, costColumns, keepsFeatures, nameColumns, phaseTables } from './phase-table.js';
import { searchLines } from './search-text.js';
import type { SummaryRow } from './summary-row.js';
import type { FilledColumn } from './text-table.js';
import { absent, estimateText, fittedTable, plural, wrapText } from './text-table.js';

/**
 * The results as text: a table for each phase, what the methods cost, and lines on how to read them.
 * @param width characters of a line; a table that is wider is split, with the methods' names in each part
 */
export function resultsTable(
  phases: readonly PhaseFacts[],
  rows: readonly SummaryRow[],
  width = Number.POSITIVE_INFINITY,
): string {
  const tables = phaseTables(phases, rows, 'table').flatMap(({ facts, names, scores, rows: own }) => [
    wrapText(`${facts.name}: ${describePhase(facts)}`, width),
    wrapText(describeImages(facts), width),
    fitted(names, scores, own, width),
    '',
  ]);
  return [
    ...tables,
    'What it costs',
    fitted(nameColumns(rows), [...costColumns(rows), findingsColumn], rows, width),
    '',
    ...legend(rows).map((line) => wrapText(line, width)),
  ].join('\n');
}

/** As many columns beside each other as fit, and the others below, with the names again. */
export function fitted<Row>(
  names: readonly Column<Row>[],
  columns: readonly Column<Row>[],
  rows: readonly Row[],
  width: number,
): string {
  const filled = ({ title, numeric, content }: Column<Row>): FilledColumn => ({
    title: title.join('\n'),
    numeric,
    fields: rows.map((row) => contentText(content(row))),
  });
  return fittedTable(names.map(filled), columns.map(filled), width);
}

/** What stands in a field, as text of one or more lines. */
export function contentText(content: Content): string {
  if (typeof content === 'string') return content;
  if (content.estimate === null) return absent;
  const { value, deviation, interval } = estimateText(content.estimate, content.format);
  return [
    deviation === null ? value : `${value} ± ${deviation}`,
    ...(interval === null ? [] : [interval]),
  ].join('\n');
}

const findingsColumn: Column = {
  title: ['findings'],
  numeric: false,
  content({ findings: { error, warning, info } }) {
    const parts = [
      error > 0 && plural(error, 'error'),
      warning > 0 && plural(warning, 'warning'),
      info > 0 && `${info} info`,
    ];
    return parts.filter(Boolean).join('\n') || 'none';
  },
};

/** How to read the tables, one line for each matter. */
export function legend(rows: readonly SummaryRow[]): string[] {
  const seeds = rows.map((row) => row.seeds.length);
  const many = Math.max(...seeds);
  const uneven = rows.filter((row) => row.seeds.length < many).map(({ label }) => label);
  const caveats = new Set(columnsOf(rows).flatMap(({ caveat }) => caveat ?? []));
  return [
    uncertaintyText(rows),
    ...(many > 1 && uneven.length > 0 ? [`Fewer seeds are done for ${uneven.join(', ')}.`] : []),
    ...[...caveats].map((caveat) => `NOT: ${caveat}`),
    ...searchLines(rows),
    speedText(rows),
    [
      rows.some(({ meanCka }) => meanCka !== null) && 'Mean CKA: between different layers, debiased.',
      `${absent}: not measured.`,
    ]
      .filter(Boolean)
      .join(' '),
  ];
}

function uncertaintyText(rows: readonly SummaryRow[]): string {
  const many = Math.max(...rows.map((row) => row.seeds.length));
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
    means &&
      `Mean ± standard deviation over ${[many > 1 && `${many} seeds`, draws && 'draws'].filter(Boolean).join(' and ')}; in brackets the 95 % interval of the mean: Student’s t, on the logit scale for shares and the log scale for what is never negative.`,
    overImages &&
      `${means ? 'In the brackets of a single measurement' : 'In brackets'}: 95 % Wilson interval over the images.`,
    many === 1 && !draws && 'One seed: differences between rows may be chance.',
  ]
    .filter(Boolean)
    .join(' ');
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
