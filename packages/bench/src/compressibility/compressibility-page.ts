import { frontOf, valueWithin } from '@kora-bench/compression';
import { formatMetric } from '@kora-bench/core/training';
import type { CostAxis, CurvesChart } from '@kora-bench/dashboard';
import type { ScorePoint } from '../report/charts.js';
import { paretoFigure } from '../report/charts.js';
import { rowsTable } from '../report/fields.js';
import { escapeHtml, figure, folded, foldedJson, heading, markup, slug, table } from '../report/html.js';
import { page } from '../report/page.js';
import type { Column } from '../table/phase-table.js';
import { absent, metricTitle } from '../table/text-table.js';
import type { Compressibility } from './compressibility-schema.js';
import { comparedTables, kilobytes, methodColumn, readingLines, scoredText } from './compressibility-text.js';
import type { CompressedRow, RowForm } from './rows.js';
import { compressedRows, formsOf, overSeeds } from './rows.js';

/** The page of `compressibility.json` as one file, with nothing loaded from elsewhere. */
export function compressibilityPage(found: Compressibility): string {
  const rows = compressedRows(found);
  return page({
    title: `KoRA Bench: compressibility of ${found.run.name}`,
    main: markup(
      '<h1>How few bytes hold what was trained</h1>',
      `<p class="lead">${escapeHtml(scoredText(found))}</p>`,
      heading('Methods beside each other'),
      ...comparedTables(found).map(({ caption, columns }) =>
        rowsTable(caption, [methodColumn, ...columns], rows, { id: slug(caption) }),
      ),
      `<ul>${readingLines(found)
        .map((line) => `<li>${escapeHtml(line)}</li>`)
        .join('')}</ul>`,
      heading('The metric against bytes'),
      '<div class="charts">',
      curves(found, rows),
      fronts(found, rows),
      '</div>',
      heading('Every form'),
      ...rows.map((row) => formsTable(found, row)),
      heading('Environment'),
      foldedJson('Codec', found.codec),
      foldedJson('Machine', found.machine),
      foldedJson('Code', found.code),
    ),
  });
}

const shown = ({ metric }: Compressibility, value: number) => value * metric.format.scale;

/** A form with a value, with its place in bytes. */
interface FormPoint {
  readonly form: RowForm;
  readonly bytes: number;
  readonly value: number;
}

function pointsOf(found: Compressibility, row: CompressedRow): FormPoint[] {
  return formsOf(row, found.metric).flatMap((form) =>
    form.value === null ? [] : [{ form, bytes: form.bytes.total, value: form.value.value }],
  );
}

/** What at most so many bytes give: a line of steps for each method, from the least to the most of its seeds in its shade. */
function curves(found: Compressibility, rows: readonly CompressedRow[]): string | undefined {
  const { metric, range } = found;
  if (range === null) return undefined;
  const lines = rows.map((row, index) => {
    const points = pointsOf(found, row);
    const nothing = overSeeds(row, ({ nothing: { value } }) => value);
    const values = (point: FormPoint): readonly [number, number] => {
      const own = row.cells.flatMap(
        ({ forms }) => forms.find(({ name }) => name === point.form.name)?.value ?? [],
      );
      return [Math.min(...own), Math.max(...own)];
    };
    const front = frontOf(points, metric.direction);
    const steps = front.map(
      (point) => [point.bytes, point.value, ...values(point)] as [number, number, number, number],
    );
    const [first, last] = [steps[0], steps.at(-1)];
    const before: typeof steps =
      nothing === null || first === undefined || first[0] <= range.from
        ? []
        : [[range.from, nothing.value, nothing.value, nothing.value]];
    const after: typeof steps =
      last === undefined || last[0] >= range.to ? [] : [[range.to, last[1], last[2], last[3]]];
    return { label: row.name, index, points: [...before, ...steps, ...after] };
  });
  const digits = (value: number) => Number(shown(found, value).toPrecision(6));
  const chart: CurvesChart = {
    kind: 'curves',
    x: 'bytes of the update',
    y: metricTitle(metric),
    xScale: 'log',
    steps: true,
    curves: lines.map(({ points, ...named }) => ({
      ...named,
      points: points.map(
        ([bytes, mean, least, most]) => [bytes, digits(mean), digits(least), digits(most)] as const,
      ),
    })),
  };
  const title = `${metricTitle(metric)} with at most so many bytes`;
  const at = sizesBetween(range);
  return figure({
    id: 'curves',
    title,
    subtitle: 'the best form that fits; before the first one, the start of training',
    chart,
    numbers: table(
      title,
      [
        { title: 'method', cell: ({ name }: CompressedRow) => escapeHtml(name) },
        ...at.map((bytes) => ({
          title: `${kilobytes(bytes)} kB`,
          numeric: true,
          cell: (row: CompressedRow) => {
            const nothing = overSeeds(row, ({ nothing: { value } }) => value);
            const points = [
              ...(nothing === null ? [] : [{ bytes: 0, value: nothing.value }]),
              ...pointsOf(found, row),
            ];
            const value = valueWithin(points, bytes, metric.direction);
            return value === undefined ? absent : formatMetric(metric, value);
          },
        })),
      ],
      rows,
    ),
  });
}

/** Seven sizes spread evenly over the orders of magnitude of a range. */
function sizesBetween({ from, to }: { readonly from: number; readonly to: number }): number[] {
  return Array.from({ length: 7 }, (_, i) => Math.round(from * (to / from) ** (i / 6)));
}

const costs = [
  { key: 'total', name: 'bytes', title: 'bytes of the update', scale: 'log' },
  { key: 'method', name: 'of the method', title: 'bytes of the update without the head', scale: 'log' },
  { key: 'bits', name: 'bits per parameter', title: 'bits per parameter', scale: 'log' },
] as const satisfies readonly CostAxis[];

/** The forms on the front of each method. */
function fronts(found: Compressibility, rows: readonly CompressedRow[]): string {
  const { metric } = found;
  const points = rows.flatMap((row, index) =>
    frontOf(pointsOf(found, row), metric.direction).map(({ form }): ScorePoint => {
      const { value, interval } = form.value!;
      return {
        label: `${row.name}, ${form.name}`,
        index,
        score: shown(found, value),
        interval: interval && [shown(found, interval[0]), shown(found, interval[1])],
        measurements: [],
        costs: {
          total: form.bytes.total,
          ...(form.bytes.method > 0 && { method: form.bytes.method }),
          bits: form.bitsPerParameter,
        },
      };
    }),
  );
  const axis = { title: metricTitle(metric), direction: metric.direction, digits: metric.format.digits };
  return paretoFigure(
    { id: 'forms', axis, points },
    costs,
    'The forms that no smaller one of their method beats',
  );
}

function formsTable(found: Compressibility, row: CompressedRow): string {
  const { metric, noResidual } = found;
  const front = new Set(frontOf(pointsOf(found, row), metric.direction).map(({ form }) => form.name));
  const bytes = (title: string, of: (form: RowForm) => number): Column<RowForm> => ({
    title: [title],
    numeric: true,
    content: (form) => kilobytes(of(form)),
  });
  const nothing: RowForm = {
    name: 'nothing',
    bytes: { method: 0, head: 0, total: 0 },
    bitsPerParameter: 0,
    value: overSeeds(row, (cell) => cell.nothing.value, metric.range),
    residualBytes: overSeeds(row, (cell) => cell.nothing.residualBytes)?.value ?? null,
  };
  const columns: Column<RowForm>[] = [
    { title: ['form'], numeric: false, content: ({ name }) => name },
    bytes('method kB', (form) => form.bytes.method),
    bytes('head kB', (form) => form.bytes.head),
    bytes('total kB', (form) => form.bytes.total),
    {
      title: ['bits per parameter'],
      numeric: true,
      content: ({ bitsPerParameter }) => bitsPerParameter.toFixed(2),
    },
    {
      title: [metricTitle(metric)],
      numeric: true,
      content: ({ value }) => ({ estimate: value, format: (number) => formatMetric(metric, number) }),
    },
    {
      title: ['on the front'],
      numeric: false,
      hint: 'no smaller form of the method is as good',
      content: ({ name }) => (front.has(name) ? 'yes' : ''),
    },
    ...(noResidual === null
      ? [
          bytes('labels kB', ({ residualBytes }) => residualBytes ?? Number.NaN),
          bytes('description kB', (form) => form.bytes.total + (form.residualBytes ?? Number.NaN)),
        ]
      : []),
  ];
  return folded(row.name, rowsTable(`${row.name}: every form`, columns, [nothing, ...formsOf(row, metric)]));
}
