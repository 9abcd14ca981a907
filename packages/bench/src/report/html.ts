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

/** A table with a caption for screen readers. */
export function table<Row>(caption: string, columns: readonly Column<Row>[], rows: readonly Row[]): string {
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
    '<div class="scroll"><table>',
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

/** The page's only style sheet; light or dark as the reader's system asks. */
export const style = `
:root { color-scheme: light dark; --line: #d0d7de; --soft: #f6f8fa; --muted: #57606a; --page: #ffffff; --note: #fff8e6; --note-line: #d9a93f; }
@media (prefers-color-scheme: dark) { :root { --line: #3d444d; --soft: #161b22; --muted: #9198a1; --page: #0d1117; --note: #272115; --note-line: #9a6700; } }
body { margin: 0; font: 15px/1.5 system-ui, sans-serif; background: var(--page); }
main { max-width: 1200px; margin: 0 auto; padding: 24px; }
h1 { font-size: 26px; margin: 0 0 4px; }
h2 { font-size: 19px; margin: 40px 0 8px; border-bottom: 1px solid var(--line); padding-bottom: 4px; }
p { margin: 8px 0; max-width: 900px; }
.lead, .facts, caption, small { color: var(--muted); }
.notes { background: var(--note); border-left: 4px solid var(--note-line); padding: 8px 16px; margin: 16px 0; border-radius: 0 6px 6px 0; }
.notes ul { margin: 0; padding-left: 18px; }
.scroll { overflow-x: auto; margin-bottom: 12px; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
caption { text-align: left; padding: 6px 0; }
th, td { padding: 5px 10px; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top; }
th { background: var(--soft); font-weight: 600; }
td:first-child { font-weight: 500; white-space: nowrap; }
.number { text-align: right; white-space: nowrap; }
.charts { display: flex; flex-wrap: wrap; gap: 16px; margin: 12px 0; align-items: flex-start; }
.charts > svg { background: #ffffff; border: 1px solid #d0d7de; border-radius: 6px; max-width: 100%; height: auto; }
@media (prefers-color-scheme: dark) { .charts > svg { filter: invert(0.92) hue-rotate(180deg); } }
.error, .warning, .info { border-radius: 10px; padding: 1px 8px; font-size: 13px; color: #ffffff; }
.error { background: #b42318; } .warning { background: #9a6700; } .info { background: #0969da; }
.chosen { font-weight: 700; }
pre { overflow-x: auto; background: var(--soft); padding: 10px; border-radius: 6px; font-size: 12px; max-width: 700px; }
details { margin: 6px 0; }
details summary { cursor: pointer; color: var(--muted); }
`.replaceAll('\n', ' ');
