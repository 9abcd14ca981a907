import { formatMetric } from '@kora-bench/core/training';
import type { Column, Content } from '../table/phase-table.js';
import { fitted } from '../table/results-table.js';
import { absent, metricTitle, plural, wrapText } from '../table/text-table.js';
import type { ChosenForm, Compressibility, MeasuredCell } from './compressibility-schema.js';
import type { CompressedRow } from './rows.js';
import { chosenForms, compressedRows, overSeeds } from './rows.js';

/** Bytes in kB, 10^3. */
export function kilobytes(bytes: number): string {
  return (bytes / 1000).toFixed(2);
}

/** `1 point`, `2 points`, `1 %`. */
export function toleranceText({ tolerance: { asked, of } }: Pick<Compressibility, 'tolerance'>): string {
  return of === 'percent' ? `${asked} %` : asked === 1 ? '1 point' : `${asked} points`;
}

export const methodColumn: Column<CompressedRow> = {
  title: ['method'],
  numeric: false,
  content: ({ name }) => name,
};

/** A table of what methods are compared by. */
export interface ComparedTable {
  readonly caption: string;
  readonly columns: readonly Column<CompressedRow>[];
}

/** What methods are compared by, in parts that fit on a page. */
export function comparedTables(found: Compressibility): ComparedTable[] {
  const { metric, equal, cells, noResidual } = found;
  const { range } = metric;
  const value = (number: number) => formatMetric(metric, number);
  const own: ComparedTable = {
    caption: `Within ${toleranceText(found)} of float32`,
    columns: [
      numeric(
        ['parameters', 'method', '+ head'],
        'numbers that an update has: what trained, and constants that no seed gives back',
        ({ cells: [{ parameters }] }) => `${parameters.method} + ${parameters.head}`,
      ),
      numeric(
        ['float32', metricTitle(metric)],
        'uncompressed',
        mean((cell) => cell.forms[0]!.value, value, range),
      ),
      ...chosenColumns(
        ['within', `${toleranceText(found)}:`],
        'the smallest form that loses no more against float32',
        (cell) => cell.withinTolerance,
      ),
    ],
  };
  const alike: ComparedTable[] =
    cells.length < 2 || equal === null
      ? []
      : [
          {
            caption: `At the same ${metric.label}`,
            columns: chosenColumns(
              ['at', `${metric.label} ${value(equal)}:`],
              'the smallest form that is as good as the worst cell uncompressed, less the tolerance',
              (cell) => cell.atEqualMetric,
            ),
          },
        ];
  const whole: ComparedTable = {
    caption: noResidual === null ? 'The whole curve, and descriptions' : 'The whole curve',
    columns: [
      numeric(
        ['area,', metricTitle(metric)],
        'mean of what at most b bytes give, b spread evenly over orders of magnitude, the same for all',
        mean((cell) => cell.area, value, range),
      ),
      ...(noResidual === null ? descriptionColumns : []),
    ],
  };
  return [own, ...alike, whole];
}

const descriptionColumns: readonly Column<CompressedRow>[] = [
  {
    title: ['description:', 'form'],
    numeric: false,
    hint: 'of the least description',
    content: (row) => chosenForms(row, (cell) => cell.description) ?? absent,
  },
  numeric(
    ['description:', 'kB'],
    'the update and, given its predictions, the labels',
    mean((cell) => cell.description?.bytes, kilobytes),
  ),
  numeric(
    ['pays after', 'examples'],
    'from so many examples on, the update and the labels take less than the labels alone',
    mean(
      (cell) => cell.paysAfter?.examples,
      (number) => number.toFixed(0),
    ),
  ),
];

function chosenColumns(
  lines: readonly string[],
  hint: string,
  of: (cell: MeasuredCell) => ChosenForm,
): Column<CompressedRow>[] {
  return [
    { title: [...lines, 'form'], numeric: false, hint, content: (row) => chosenForms(row, of) ?? absent },
    numeric(
      [...lines, 'kB'],
      hint,
      mean((cell) => of(cell)?.bytes, kilobytes),
    ),
    numeric(
      [...lines, 'bits per', 'parameter'],
      hint,
      mean(
        (cell) => of(cell)?.bitsPerParameter,
        (bits) => bits.toFixed(2),
      ),
    ),
  ];
}

function numeric(
  title: readonly string[],
  hint: string,
  content: (row: CompressedRow) => Content,
): Column<CompressedRow> {
  return { title, numeric: true, hint, content };
}

/** A mean over the seeds of a row. */
function mean(
  of: (cell: MeasuredCell) => number | null | undefined,
  format: (number: number) => string,
  limits: readonly [number | null, number | null] = [0, null],
): (row: CompressedRow) => Content {
  return (row) => ({ estimate: overSeeds(row, of, limits), format });
}

/** What was scored, and with what. */
export function scoredText({ phase, evaluation, codec, run }: Compressibility): string {
  const { split, examples, of } = evaluation;
  const some = examples < of ? `${examples} of ${plural(of, 'example')}` : plural(of, 'example');
  return `${run.name}, ${phase}: ${some} of ${split}; bytes after ${codec.name} ${codec.version} at quality ${codec.quality}, decoded again before they are scored.`;
}

/** How to read the numbers, one line for each matter. */
export function readingLines(found: Compressibility): string[] {
  const { metric, equal, range, cells, noResidual } = found;
  const seeds = Math.max(...compressedRows(found).map((row) => row.cells.length));
  const nothing = cells.flatMap(({ nothing: { residualBytes } }) => residualBytes ?? []);
  return [
    'An update is the trained values minus their start, which checkpoint, options and seed give. Bits per parameter: 8 · bytes / numbers of the update, method and head.',
    `Within ${toleranceText(found)}: the smallest form that loses no more against its own float32.`,
    ...(cells.length > 1 && equal !== null
      ? [
          `At ${metric.label} ${formatMetric(metric, equal)}: the smallest form that gets there, which is what the worst cell reaches in float32, less ${toleranceText(found)}.`,
        ]
      : []),
    ...(range === null
      ? []
      : [
          `Area: the mean of the best ${metric.label} with at most b bytes, b from ${kilobytes(range.from)} to ${kilobytes(range.to)} kB, evenly over orders of magnitude; with too few bytes for any form, the start of training.`,
        ]),
    noResidual === null
      ? `Description: bytes of the update + −log2 p(label) / 8 over the examples, the least over the forms. Without any update the labels take ${kilobytes(Math.min(...nothing))} kB or more. Pays after: from so many examples on, update and labels take less than the labels alone.`
      : `No description lengths: ${noResidual}`,
    seeds > 1
      ? `Mean ± standard deviation over ${plural(seeds, 'seed')}; in brackets the 95 % interval of the mean.`
      : 'One seed: differences between rows may be chance.',
  ];
}

/** Methods side by side, for a terminal. */
export function compressibilityText(found: Compressibility, width = Number.POSITIVE_INFINITY): string {
  return [
    wrapText(scoredText(found), width),
    fitted(
      [methodColumn],
      comparedTables(found).flatMap(({ columns }) => columns),
      compressedRows(found),
      width,
    ),
    ...readingLines(found).map((line) => wrapText(line, width)),
  ].join('\n');
}
