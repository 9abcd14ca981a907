import type { PublishedLine, PublishedTable } from '../published/published-tables.js';
import { aboutLines, hasDifferences, remarkText } from '../published/published-text.js';
import { absent } from '../table/text-table.js';
import { fieldMarkup } from './fields.js';
import type { Column } from './html.js';
import { escapeHtml, heading, markup, slug, table } from './html.js';

/** The report's section on published results; undefined for a run that is put beside none. */
export function publishedSection(tables: readonly PublishedTable[]): string | undefined {
  if (tables.length === 0) return undefined;
  return markup(heading('Published results'), ...tables.map(oneTable));
}

function oneTable(content: PublishedTable): string {
  const { title, source, lines, remarks } = content;
  return markup(
    `<h3 id="published-${slug(title)}">${escapeHtml(title)}</h3>`,
    `<p class="facts">${escapeHtml(`Published in ${source}.`)}</p>`,
    ...aboutLines(content).map((line) => `<p>${escapeHtml(line)}</p>`),
    table(`${title}: published and measured`, columnsOf(content), lines),
    remarks.length > 0 &&
      `<ol>${remarks.map((remark) => `<li>${escapeHtml(remarkText(remark))}</li>`).join('')}</ol>`,
  );
}

function columnsOf(content: PublishedTable): Column<PublishedLine>[] {
  const { honest, remarks } = content;
  return [
    { title: 'measure', cell: ({ measure }) => escapeHtml(measure) },
    { title: 'published as', cell: ({ name }) => escapeHtml(name) },
    { title: 'method', hint: 'as the run calls it', cell: ({ method }) => escapeHtml(method) },
    { title: 'published', numeric: true, cell: ({ published }) => published },
    { title: 'measured', numeric: true, cell: ({ measured }) => fieldMarkup(measured) },
    ...(hasDifferences(content)
      ? [
          {
            title: 'difference',
            numeric: true,
            hint: 'measured less published',
            cell: ({ difference }: PublishedLine) => difference ?? absent,
          },
        ]
      : []),
    ...honest.map((title, index) => ({
      title,
      numeric: true,
      hint: 'of this run, without what makes the published number misleading',
      cell: (line: PublishedLine) => fieldMarkup(line.honest[index]!),
    })),
    ...(remarks.length > 0
      ? [
          {
            title: 'see',
            hint: 'what explains the number: the lines below the table',
            cell: ({ marks }: PublishedLine) => marks.join(', '),
          },
        ]
      : []),
  ];
}
