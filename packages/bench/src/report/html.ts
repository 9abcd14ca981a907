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

/** The page's only style sheet; light or dark as the reader's system asks. */
export const style = `
:root { color-scheme: light dark; --line: #d0d7de; --soft: #f6f8fa; --muted: #57606a; --chart: #ffffff; }
@media (prefers-color-scheme: dark) { :root { --line: #3d444d; --soft: #161b22; --muted: #9198a1; --chart: #f0f3f6; } }
body { margin: 0; font: 15px/1.5 system-ui, sans-serif; }
main { max-width: 1200px; margin: 0 auto; padding: 24px; }
h1 { font-size: 26px; margin: 0 0 4px; }
h2 { font-size: 19px; margin: 36px 0 12px; border-bottom: 1px solid var(--line); padding-bottom: 4px; }
.lead, caption, small { color: var(--muted); }
.scroll { overflow-x: auto; margin-bottom: 20px; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
caption { text-align: left; padding: 6px 0; }
th, td { padding: 5px 10px; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top; }
th { background: var(--soft); font-weight: 600; white-space: nowrap; }
.number { text-align: right; white-space: nowrap; }
.charts { display: flex; flex-wrap: wrap; gap: 16px; }
.charts > svg { background: var(--chart); border: 1px solid var(--line); border-radius: 6px; max-width: 100%; height: auto; }
.error, .warning, .info { border-radius: 10px; padding: 1px 8px; font-size: 13px; color: #ffffff; }
.error { background: #b42318; } .warning { background: #9a6700; } .info { background: #0969da; }
pre { overflow-x: auto; background: var(--soft); padding: 10px; border-radius: 6px; font-size: 12px; max-width: 700px; }
details summary { cursor: pointer; }
`.replaceAll('\n', ' ');
