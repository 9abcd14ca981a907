import type { PhaseFacts } from '../table/phase-facts.js';
import { describeImages, describePhase } from '../table/phase-facts.js';
import type { Column, Content } from '../table/phase-table.js';
import { costColumns, nameColumns, phaseTables } from '../table/phase-table.js';
import { legend } from '../table/results-table.js';
import type { RunSummary } from '../table/run-summary.js';
import type { SummaryRow } from '../table/summary-row.js';
import { absent, estimateText } from '../table/text-table.js';

/**
 * The results as LaTeX tables for `\input`, one for each phase; they need the package booktabs and nothing else.
 * What is not ASCII is written as commands, so that every engine and encoding takes it.
 */
export function latexReport(title: string, { phases, rows, notes, failed }: RunSummary): string {
  const tables = phaseTables(phases, rows, 'table').map(({ facts, names, scores, rows: own }) =>
    latexTable(captionOf(facts), `tab:${labelOf(facts.name)}`, [...names, ...scores], own),
  );
  const cost =
    rows.length === 0
      ? []
      : [latexTable('Cost.', 'tab:cost', [...nameColumns(rows), ...costColumns(rows)], rows)];
  const comments = [
    title,
    'Needs \\usepackage{booktabs}.',
    ...(rows.length === 0 ? ['No cell is done.'] : legend(rows)),
    ...notes,
    ...failed.map(({ cell, error }) => `Failed: ${cell.id}: ${error.message}`),
  ];
  return `${[comments.map(comment).join('\n'), ...tables, ...cost].join('\n\n')}\n`;
}

function captionOf(facts: PhaseFacts): string {
  return escapeLatex(`${facts.name}: ${describePhase(facts)}; ${describeImages(facts)}.`);
}

function latexTable(
  caption: string,
  label: string,
  columns: readonly Column[],
  rows: readonly SummaryRow[],
): string {
  const line = (fields: readonly string[]) => `${fields.join(' & ')} \\\\`;
  return [
    '\\begin{table}',
    '  \\centering',
    `  \\caption{${caption}}`,
    `  \\label{${label}}`,
    `  \\begin{tabular}{${columns.map(({ numeric }) => (numeric ? 'r' : 'l')).join('')}}`,
    '    \\toprule',
    `    ${line(columns.map(({ title }) => escapeLatex(title.join(' '))))}`,
    '    \\midrule',
    ...rows.map((row) => `    ${line(columns.map(({ content }) => field(content(row))))}`),
    '    \\bottomrule',
    '  \\end{tabular}',
    '\\end{table}',
  ].join('\n');
}

function field(content: Content): string {
  if (typeof content === 'string') return escapeLatex(content);
  if (content.estimate === null) return absent;
  const { value, deviation, interval } = estimateText(content.estimate, content.format);
  const mean = escapeLatex(deviation === null ? value : `${value} ± ${deviation}`);
  const text = interval === null ? mean : `${mean} {\\footnotesize ${escapeLatex(interval)}}`;
  return content.struck === true ? `\\textit{not: ${text}}` : text;
}

function labelOf(name: string): string {
  return name.replace(/[^a-zA-Z0-9-]+/g, '-');
}

/** A line that LaTeX passes over. */
function comment(text: string): string {
  return `% ${text.replace(/\s+/g, ' ')}`;
}

/** Letters and signs as commands, in text. */
const commands: Readonly<Record<string, string>> = {
  '\\': '\\textbackslash{}',
  '{': '\\{',
  '}': '\\}',
  $: '\\$',
  '&': '\\&',
  '#': '\\#',
  '%': '\\%',
  _: '\\_',
  '^': '\\textasciicircum{}',
  '~': '\\textasciitilde{}',
  '<': '$<$',
  '>': '$>$',
  '|': '$|$',
  '"': "''",
  // At the start of a row, [ would be an option of the \\ before it.
  '[': '{[}',
  ']': '{]}',
  '±': '$\\pm$',
  '−': '$-$',
  '×': '$\\times$',
  '≤': '$\\leq$',
  '≥': '$\\geq$',
  '→': '$\\to$',
  '↑': '$\\uparrow$',
  '↓': '$\\downarrow$',
  '°': '$^{\\circ}$',
  '²': '$^{2}$',
  '³': '$^{3}$',
  α: '$\\alpha$',
  β: '$\\beta$',
  γ: '$\\gamma$',
  δ: '$\\delta$',
  ε: '$\\varepsilon$',
  λ: '$\\lambda$',
  μ: '$\\mu$',
  µ: '$\\mu$',
  σ: '$\\sigma$',
  τ: '$\\tau$',
  '–': '--',
  '—': '---',
  '’': "'",
  '‘': '`',
  '“': '``',
  '”': "''",
  '…': '\\ldots{}',
  '\u00a0': '~',
};

/** Text as LaTeX shows it; letters without a command here are left as they are. */
export function escapeLatex(text: string): string {
  return [...text.replace(/\s*\n\s*/g, ' ')].map((character) => commands[character] ?? character).join('');
}
