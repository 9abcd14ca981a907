import type { Chart } from '@kora-bench/dashboard';

/** Text made safe for HTML content and attributes. */
export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}

/** Joins parts of markup; `undefined` and `false` leave nothing. */
export function markup(...parts: readonly (string | undefined | false)[]): string {
  return parts.filter((part) => typeof part === 'string').join('\n');
}

export interface Column<Row> {
  readonly title: string;
  /** Numbers are set flush right. */
  readonly numeric?: boolean;
  /** What the column means, shown on hover. */
  readonly hint?: string;
  /** Content as markup. */
  cell(row: Row): string;
}

export interface TableOptions {
  /** For links to how it is sorted. */
  readonly id?: string;
  /** Whether the filter of the part around it decides which rows are shown. */
  readonly filtered?: boolean;
}

/** A table with a caption. The page's script lets readers sort it. */
export function table<Row>(
  caption: string,
  columns: readonly Column<Row>[],
  rows: readonly Row[],
  { id, filtered = false }: TableOptions = {},
): string {
  const head = columns.map(({ title, numeric, hint }) => {
    const attributes = `${numeric === true ? ' class="number"' : ''}${hint === undefined ? '' : ` title="${escapeHtml(hint)}"`}`;
    return `<th scope="col"${attributes}>${escapeHtml(title)}</th>`;
  });
  const body = rows.map((row) => {
    const cells = columns.map(
      ({ cell, numeric }) => `<td${numeric === true ? ' class="number"' : ''}>${cell(row)}</td>`,
    );
    return `<tr>${cells.join('')}</tr>`;
  });
  return markup(
    `<div class="scroll"><table${id === undefined ? '' : ` id="${escapeHtml(id)}"`}${filtered ? ' data-filtered' : ''}>`,
    `<caption>${escapeHtml(caption)}</caption>`,
    `<thead><tr>${head.join('')}</tr></thead>`,
    `<tbody>${body.join('\n')}</tbody>`,
    '</table></div>',
  );
}

/** Something to open; what is in it is markup. */
export function folded(summary: string, content: string): string {
  return `<details><summary>${escapeHtml(summary)}</summary>${content}</details>`;
}

/** A value as JSON, to open. */
export function foldedJson(summary: string, value: unknown): string {
  return folded(summary, `<pre>${escapeHtml(JSON.stringify(value, null, 2))}</pre>`);
}

/** A heading that can be linked to. */
export function heading(text: string, id = slug(text)): string {
  return `<h2 id="${id}">${escapeHtml(text)}</h2>`;
}

/** Text as a part of an address. */
export function slug(text: string): string {
  return text
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-+|-+$/g, '');
}

/** JSON inside a page, which no text in it can end. */
export function embeddedJson(value: unknown): string {
  return `<script type="application/json">${JSON.stringify(value).replaceAll('<', '\\u003c')}</script>`;
}

export interface Figure {
  /** For links to it. */
  readonly id: string;
  readonly title: string;
  readonly subtitle?: string;
  readonly chart: Chart;
  /** The same as a table, for readers who do not see it. */
  readonly numbers: string;
}

/** A chart, which the page's script draws, and its numbers to open. */
export function figure({ id, title, subtitle, chart, numbers }: Figure): string {
  return markup(
    `<figure class="chart card" id="${escapeHtml(id)}" data-kind="${chart.kind}">`,
    `<figcaption>${escapeHtml(title)}${subtitle === undefined ? '' : `<small class="muted">${escapeHtml(subtitle)}</small>`}</figcaption>`,
    '<div class="plot"><noscript>Charts need JavaScript; the numbers are below.</noscript></div>',
    folded('Numbers', numbers),
    embeddedJson(chart),
    '</figure>',
  );
}
