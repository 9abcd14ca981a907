import { rate } from '../progress/progress-text.js';
import { absent, estimateText, megabytes, percent } from './format-number.js';
import type { PlainColumn } from './plain-table.js';
import { plainTable } from './plain-table.js';
import type { SummaryRow } from './summary-row.js';

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
  for (const column of [...scoreColumns(rows), ...costColumns]) {
    const part = parts.at(-1)!;
    if (part.length === 0 || fits([...names, ...part, column])) part.push(column);
    else parts.push([column]);
  }
  return [...parts.map((part) => render([...names, ...part])), ...legend(rows)].join('\n');
}

function nameColumns(rows: readonly SummaryRow[]): Column[] {
  const place = ({ backend, device }: SummaryRow) => `${backend}:${device}`;
  const several = new Set(rows.map(place)).size > 1;
  return [
    { title: 'method', cell: ({ label }) => label },
    ...(several ? [{ title: 'backend', cell: place }] : []),
  ];
}

function scoreColumns(rows: readonly SummaryRow[]): Column[] {
  const protocols = [...new Set(rows.flatMap(({ transfer }) => transfer.map(({ protocol }) => protocol)))];
  const hasDepth = rows.some(({ depth }) => depth !== null);
  const number = (title: string, cell: Column['cell']): Column => ({ title, numeric: true, cell });
  return [
    number('tuned\n%', ({ tunedShare }) => percent(tunedShare, 2)),
    number('source\ntop-1 %', ({ top1, seeds }) => estimateText(top1, percent, seeds.length)),
    number('macro\nF1', ({ macroF1, seeds }) =>
      estimateText(macroF1, (value) => value.toFixed(3), seeds.length),
    ),
    ...protocols.flatMap((protocol) => {
      const of = (row: SummaryRow) => row.transfer.find((one) => one.protocol === protocol);
      const columns = [
        number(`transfer\n${protocol}\ntop-1 %`, (row) =>
          estimateText(of(row)?.trueTop1, percent, row.seeds.length),
        ),
      ];
      if (rows.some((row) => of(row)?.protocolTop1)) {
        columns.push(
          number(`NOT transfer:\n${protocol}\nown labels %`, (row) =>
            estimateText(of(row)?.protocolTop1, percent, row.seeds.length),
          ),
        );
      }
      return columns;
    }),
    ...(hasDepth
      ? [
          number('depth\nRMSE m', ({ depth, seeds }) => estimateText(depth?.rmse, fixed3, seeds.length)),
          number('depth\nAbsRel', ({ depth, seeds }) => estimateText(depth?.absRel, fixed3, seeds.length)),
          number('depth\nδ<1.25 %', ({ depth, seeds }) => estimateText(depth?.delta1, percent, seeds.length)),
        ]
      : []),
    number('mean\nCKA', ({ meanCka, seeds }) => estimateText(meanCka, fixed3, seeds.length)),
  ];
}

const fixed3 = (value: number) => value.toFixed(3);

const costColumns: readonly Column[] = [
  { title: 'images\n/s', numeric: true, cell: ({ imagesPerSecond }) => rate(imagesPerSecond.value) },
  { title: 'peak\nMB', numeric: true, cell: ({ peakMemoryBytes }) => megabytes(peakMemoryBytes) },
  { title: 'findings', cell: ({ findings }) => findingsText(findings) },
];

function findingsText({ error, warning, info }: SummaryRow['findings']): string {
  const parts = [
    error > 0 && plural(error, 'error'),
    warning > 0 && plural(warning, 'warning'),
    info > 0 && `${info} info`,
  ];
  return parts.filter(Boolean).join('\n') || 'none';
}

const plural = (count: number, word: string) => `${count} ${word}${count === 1 ? '' : 's'}`;

function legend(rows: readonly SummaryRow[]): string[] {
  const seeds = rows.map((row) => row.seeds.length);
  const many = Math.max(...seeds);
  const uneven = rows.filter((row) => row.seeds.length < many).map(({ label }) => label);
  return [
    many > 1
      ? `Means over ${many} seeds, ± half of Student’s 95 % interval of the mean.`
      : 'In brackets: 95 % Wilson interval over the images. One seed: differences between rows may be chance.',
    ...(many > 1 && uneven.length > 0 ? [`Fewer seeds are done for ${uneven.join(', ')}.`] : []),
    `Mean CKA: between different blocks, debiased. images/s: training on the source task, on this machine; where the backbone is frozen, its features are kept and only the rest runs again. ${absent}: not measured.`,
  ];
}
