import Table from 'cli-table3';
import type { RecordedMetric } from '../records/record-schema.js';
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

/**
 * `61.2\n[59.8, 62.6]`; n/a for no value. Both ends and not ±: intervals that stay inside what is possible are
 * longer on the side away from its limit.
 */
export function estimateText(
  estimate: Estimate | null | undefined,
  format: (value: number) => string,
): string {
  if (estimate === null || estimate === undefined) return absent;
  const { value, interval } = estimate;
  if (interval === null) return format(value);
  const [low, high] = interval;
  return `${format(value)}\n[${format(low)}, ${format(high)}]`;
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

/** Text with no line longer than `width` where it has a space to break at; parts of a line keep its indentation. */
export function wrapText(text: string, width = Number.POSITIVE_INFINITY): string {
  return text
    .split('\n')
    .map((line) => wrapLine(line, width))
    .join('\n');
}

function wrapLine(line: string, width: number): string {
  const indent = /^ */.exec(line)![0];
  if (line.length <= width || indent.length >= width / 2) return line;
  const lines = [''];
  for (const word of line.trim().split(' ')) {
    const last = lines.at(-1)!;
    if (last !== '' && indent.length + last.length + 1 + word.length > width) lines.push(word);
    else lines[lines.length - 1] = last === '' ? word : `${last} ${word}`;
  }
  return lines.map((part) => indent + part).join('\n');
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
