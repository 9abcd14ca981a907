import Table from 'cli-table3';
import type { RecordedMetric } from '../records/phase-record-schema.js';
import type { Estimate } from './summary-row.js';

/** What stands where there is no value. */
export const absent = 'n/a';

/** A share in [0, 1] as a percentage without its sign. */
export function percent(share: number, digits = 1): string {
  return (100 * share).toFixed(digits);
}

/** Heading of a metric with its unit, e.g. `top-1 %`. */
export function metricTitle({ label, unit }: Pick<RecordedMetric, 'label' | 'unit'>): string {
  return unit === '' ? label : `${label} ${unit}`;
}

/** An estimate as text: the mean with its standard deviation, and the interval by its ends. */
export interface EstimateText {
  readonly value: string;
  /** Null for a single measurement. */
  readonly deviation: string | null;
  /** `[59.8, 62.6]`: intervals that stay inside what is possible are longer on the side away from its limit. */
  readonly interval: string | null;
}

/** The parts of an estimate, each as it is shown. */
export function estimateText(
  { value, deviation, interval }: Estimate,
  format: (value: number) => string,
): EstimateText {
  return {
    value: format(value),
    deviation: deviation === null ? null : format(deviation),
    interval: interval && `[${format(interval[0])}, ${format(interval[1])}]`,
  };
}

/** A learning rate without digits that say nothing. */
export function learningRateText(learningRate: number): string {
  return String(Number(learningRate.toPrecision(4)));
}

/** A rate with about three digits. */
export function rate(value: number): string {
  return value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2);
}

/** Bytes in MB, 10^6. */
export function megabytes(bytes: number): string {
  return (bytes / 1e6).toFixed(0);
}

/** `1 cell`, `2 cells`. */
export function plural(count: number, word: string): string {
  return `${count} ${word}${count === 1 ? '' : 's'}`;
}

/**
 * Text with no line longer than `width` where it has a space to break at.
 * @param hanging begins the further parts of a line, which keep its indentation by default
 */
export function wrapText(text: string, width = Number.POSITIVE_INFINITY, hanging?: string): string {
  return text
    .split('\n')
    .map((line) => wrapLine(line, width, hanging))
    .join('\n');
}

function wrapLine(line: string, width: number, hanging: string | undefined): string {
  const indent = /^ */.exec(line)![0];
  const rest = hanging ?? indent;
  if (line.length <= width || Math.max(indent.length, rest.length) >= width / 2) return line;
  const [first = '', ...words] = line.trim().split(' ');
  const lines = [indent + first];
  for (const word of words) {
    const last = lines.at(-1)!;
    if (last.length + 1 + word.length > width) lines.push(rest + word);
    else lines[lines.length - 1] = `${last} ${word}`;
  }
  return lines.join('\n');
}

export interface PlainColumn {
  readonly title: string;
  readonly numeric?: boolean;
}

/** A table for a terminal or a file: rules above and below, no colours. */
export function plainTable(columns: readonly PlainColumn[], rows: readonly (readonly string[])[]): string {
  const table = new Table({
    head: columns.map(({ title }) => title),
    colAligns: columns.map(({ numeric }) => (numeric === true ? 'right' : 'left')),
    style: { head: [], border: [], 'padding-left': 0, 'padding-right': 1 },
    chars: {
      top: '─',
      'top-mid': '─',
      'top-left': '',
      'top-right': '',
      bottom: '─',
      'bottom-mid': '─',
      'bottom-left': '',
      'bottom-right': '',
      left: '',
      'left-mid': '',
      mid: '',
      'mid-mid': '',
      right: '',
      'right-mid': '',
      middle: ' ',
    },
  });
  for (const row of rows) table.push([...row]);
  return table.toString().replace(/ +$/gm, '');
}

/** A column with what stands in each of its rows. */
export interface FilledColumn extends PlainColumn {
  readonly fields: readonly string[];
}

/**
 * A table of as many columns beside each other as fit, and the others below.
 * @param names columns that every part begins with
 * @param width characters of a line
 */
export function fittedTable(
  names: readonly FilledColumn[],
  columns: readonly FilledColumn[],
  width = Number.POSITIVE_INFINITY,
): string {
  const rows = [...(names[0] ?? columns[0])!.fields.keys()];
  const render = (part: readonly FilledColumn[]) => {
    const shown = [...names, ...part];
    return plainTable(
      shown,
      rows.map((row) => shown.map(({ fields }) => fields[row]!)),
    );
  };
  const parts: FilledColumn[][] = [[]];
  for (const column of columns) {
    const part = parts.at(-1)!;
    const fits = render([...part, column])
      .split('\n')
      .every((line) => line.length <= width);
    if (part.length === 0 || fits) part.push(column);
    else parts.push([column]);
  }
  return parts.map(render).join('\n');
}
