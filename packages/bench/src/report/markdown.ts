import type { PublishedTable } from '../published/published-tables.js';
import { aboutLines, hasDifferences, remarkText } from '../published/published-text.js';
import { describeImages, describePhase } from '../table/phase-facts.js';
import type { Column, Content } from '../table/phase-table.js';
import { costColumns, nameColumns, phaseTables } from '../table/phase-table.js';
import { legend } from '../table/results-table.js';
import type { RunSummary } from '../table/run-summary.js';
import type { SummaryRow } from '../table/summary-row.js';
import { absent, estimateText } from '../table/text-table.js';

/** The results as Markdown (tables as GitHub reads them). @param title of the run */
export function markdownReport(
  title: string,
  { description, phases, rows, published, notes, failed }: RunSummary,
): string {
  const sections = phaseTables(phases, rows, 'table').flatMap(({ facts, names, scores, rows: own }) => [
    `## ${escapeMarkdown(facts.name)}`,
    escapeMarkdown(`${describePhase(facts)}; ${describeImages(facts)}.`),
    markdownTable([...names, ...scores], own),
  ]);
  return `${[
    `# ${escapeMarkdown(title)}`,
    ...(description === '' ? [] : [escapeMarkdown(description)]),
    ...sections,
    ...published.flatMap(publishedSection),
    ...(rows.length === 0
      ? ['No cell is done.']
      : [
          '## Cost',
          markdownTable([...nameColumns(rows), ...costColumns(rows)], rows),
          '## How to read the tables',
          list(legend(rows)),
        ]),
    ...(notes.length === 0 ? [] : ['## Notes', list(notes)]),
    ...(failed.length === 0
      ? []
      : ['## Failed cells', list(failed.map(({ cell, error }) => `${cell.id}: ${error.message}`))]),
  ].join('\n\n')}\n`;
}

function publishedSection(content: PublishedTable): string[] {
  const { title, source, honest, lines, remarks } = content;
  const differences = hasDifferences(content);
  return [
    `## Published: ${escapeMarkdown(title)}`,
    escapeMarkdown(`Published in ${source}.`),
    ...aboutLines(content).map(escapeMarkdown),
    table(
      [
        ...['measure', 'published as', 'method'].map((name) => ({ title: name, numeric: false })),
        ...['published', 'measured', ...(differences ? ['difference'] : []), ...honest].map((name) => ({
          title: name,
          numeric: true,
        })),
        { title: 'see', numeric: false },
      ],
      lines.map((line) => [
        ...[line.measure, line.name, line.method, line.published].map(escapeMarkdown),
        field(line.measured),
        ...(differences ? [line.difference ?? absent] : []),
        ...line.honest.map(field),
        line.marks.join(', '),
      ]),
    ),
    ...(remarks.length === 0
      ? []
      : [remarks.map((remark) => `${remark.mark}. ${escapeMarkdown(remarkText(remark))}`).join('\n')]),
  ];
}

function markdownTable(columns: readonly Column[], rows: readonly SummaryRow[]): string {
  return table(
    columns.map(({ title, numeric }) => ({ title: title.join(' '), numeric })),
    rows.map((row) => columns.map(({ content }) => field(content(row)))),
  );
}

/** @param rows whose fields are Markdown */
function table(
  columns: readonly { readonly title: string; readonly numeric: boolean }[],
  rows: readonly (readonly string[])[],
): string {
  const line = (fields: readonly string[]) => `| ${fields.join(' | ')} |`;
  return [
    line(columns.map(({ title }) => escapeMarkdown(title))),
    line(columns.map(({ numeric }) => (numeric ? '---:' : '---'))),
    ...rows.map(line),
  ].join('\n');
}

function field(content: Content): string {
  if (typeof content === 'string') return escapeMarkdown(content);
  if (content.estimate === null) return absent;
  const { value, deviation, interval } = estimateText(content.estimate, content.format);
  const text = [value, deviation !== null && `± ${deviation}`, interval !== null && `\\${interval}`]
    .filter(Boolean)
    .join(' ');
  return content.struck === true ? `~~${text}~~` : text;
}

function list(lines: readonly string[]): string {
  return lines.map((line) => `- ${escapeMarkdown(line)}`).join('\n');
}

/** What would be markup is shown as it is. */
function escapeMarkdown(text: string): string {
  return text.replace(/\s*\n\s*/g, ' ').replace(/[\\`*_[\]<>|~#]/g, (character) => `\\${character}`);
}
