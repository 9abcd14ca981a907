import type { Column, Content } from '../table/phase-table.js';
import type { SummaryRow } from '../table/summary-row.js';
import { absent, estimateText } from '../table/text-table.js';
import type { Column as HtmlColumn, TableOptions } from './html.js';
import { escapeHtml, table } from './html.js';

/** A field of a table as markup: the mean with its standard deviation, the interval below. */
export function fieldMarkup(content: Content): string {
  if (typeof content === 'string') return escapeHtml(content);
  if (content.estimate === null) return absent;
  const { value, deviation, interval } = estimateText(content.estimate, content.format);
  const shown = content.struck === true ? `<s>${value}</s>` : value;
  return [
    deviation === null ? shown : `${shown} ± ${deviation}`,
    ...(interval === null ? [] : [`<small>${interval}</small>`]),
  ].join('<br>');
}

/** A table of the run's rows, as the terminal has it. */
export function rowsTable(
  caption: string,
  columns: readonly Column[],
  rows: readonly SummaryRow[],
  options?: TableOptions,
): string {
  return table(
    caption,
    columns.map(
      ({ title, numeric, hint, content }): HtmlColumn<SummaryRow> => ({
        title: title.join(' '),
        numeric,
        ...(hint !== undefined && { hint }),
        cell: (row) => fieldMarkup(content(row)),
      }),
    ),
    rows,
    options,
  );
}
