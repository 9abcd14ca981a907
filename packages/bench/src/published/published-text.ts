import { contentText } from '../table/results-table.js';
import type { FilledColumn } from '../table/text-table.js';
import { absent, fittedTable, wrapText } from '../table/text-table.js';
import type { PublishedLine, PublishedTable } from './published-tables.js';
import type { Remark } from './remarks.js';

/** Published tables beside the run's numbers, for a terminal; empty without any. @param width characters of a line */
export function publishedText(tables: readonly PublishedTable[], width = Number.POSITIVE_INFINITY): string {
  return tables.map((table) => tableText(table, width)).join('\n\n');
}

function tableText(table: PublishedTable, width: number): string {
  const { title, source, lines, honest, remarks } = table;
  const column = (name: string, field: (line: PublishedLine) => string, numeric = true): FilledColumn => ({
    title: name,
    numeric,
    fields: lines.map(field),
  });
  return [
    wrapText(`Published: ${title} (${source})`, width),
    ...aboutLines(table).map((line) => wrapText(line, width)),
    fittedTable(
      [column('measure', ({ measure }) => measure, false), column('method', ({ method }) => method, false)],
      [
        column('published', ({ published }) => published),
        column('measured', ({ measured }) => contentText(measured)),
        ...(hasDifferences(table) ? [column('difference', ({ difference }) => difference ?? absent)] : []),
        ...honest.map((name, index) => column(name, (line) => contentText(line.honest[index]!))),
        ...(remarks.length > 0 ? [column('see', ({ marks }) => marks.join(' '), false)] : []),
      ],
      width,
    ),
    ...remarks.map((remark) => wrapText(`  ${remark.mark}  ${remarkText(remark)}`, width, '     ')),
  ].join('\n');
}

/** What to know of a table before its numbers. */
export function aboutLines({ note, otherSettings }: PublishedTable): string[] {
  return [
    ...(note === null ? [] : [note]),
    ...(otherSettings.length === 0
      ? []
      : [
          `The published numbers are of another setting, so no differences are shown: ${otherSettings.join('; ')}.`,
        ]),
  ];
}

/** Whether any published number can be subtracted from what was measured. */
export function hasDifferences({ lines }: PublishedTable): boolean {
  return lines.some(({ difference }) => difference !== null);
}

/** `SINGLE_CLASS_F1 (transfer/as-published): what it says`. */
export function remarkText({ code, where, message }: Remark): string {
  return code === null ? message : `${code} (${where.join(', ')}): ${message}`;
}
