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
