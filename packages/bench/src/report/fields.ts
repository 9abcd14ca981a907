import type { Finding } from '../records/phase-record-schema.js';
import type { Column, Content } from '../table/phase-table.js';
import type { SummaryRow } from '../table/summary-row.js';
import { absent, estimateText } from '../table/text-table.js';
import type { Column as HtmlColumn, TableOptions } from './html.js';
import { escapeHtml, foldedJson, table } from './html.js';

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

/** A table of rows, as the terminal has it. */
export function rowsTable<Row = SummaryRow>(
  caption: string,
  columns: readonly Column<Row>[],
  rows: readonly Row[],
  options?: TableOptions,
): string {
  return table(
    caption,
    columns.map(
      ({ title, numeric, hint, content }): HtmlColumn<Row> => ({
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

/** What the audits found; `extra` are columns of the page's own, `evidence` the title of the last one. */
export function findingsTable<
  Found extends Pick<Finding, 'severity' | 'where' | 'message' | 'evidence'> & { readonly code: string },
>(findings: readonly Found[], extra: readonly HtmlColumn<Found>[] = [], evidence = 'evidence'): string {
  if (findings.length === 0) return '<p>The audits found nothing.</p>';
  return table(
    'What the audits found',
    [
      { title: 'severity', cell: ({ severity }: Found) => `<span class="${severity}">${severity}</span>` },
      { title: 'code', cell: ({ code }: Found) => `<code>${escapeHtml(code)}</code>` },
      { title: 'where', cell: ({ where }: Found) => escapeHtml(where) },
      { title: 'what', cell: ({ message }: Found) => escapeHtml(message) },
      ...extra,
      { title: evidence, cell: (finding: Found) => foldedJson('show', finding.evidence) },
    ],
    findings,
  );
}
