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
  { description, phases, rows, notes, failed }: RunSummary,
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

function markdownTable(columns: readonly Column[], rows: readonly SummaryRow[]): string {
  const line = (fields: readonly string[]) => `| ${fields.join(' | ')} |`;
  return [
    line(columns.map(({ title }) => escapeMarkdown(title.join(' ')))),
    line(columns.map(({ numeric }) => (numeric ? '---:' : '---'))),
    ...rows.map((row) => line(columns.map(({ content }) => field(content(row))))),
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
