import type { PublishedTable } from '../published/published-tables.js';
import { publishedTables } from '../published/published-tables.js';
import { publishedText } from '../published/published-text.js';
import type { Finding } from '../records/phase-record-schema.js';
import type { CellRecord, DoneRecord, FailedRecord } from '../records/record-schema.js';
import { cellName, failureText } from '../records/record-schema.js';
import { differencesText } from './backend-differences.js';
import type { PhaseFacts } from './phase-facts.js';
import { notesOf, phaseFacts } from './phase-facts.js';
import { resultsTable } from './results-table.js';
import type { SummaryRow } from './summary-row.js';
import { summarize } from './summary-row.js';
import { wrapText } from './text-table.js';

/** What a run ends with. */
export interface RunSummary {
  /** The run folder. */
  readonly run: string;
  /** The HTML page; null when it could not be written. */
  readonly report: string | null;
  /** Of the suite. */
  readonly description: string;
  readonly phases: readonly PhaseFacts[];
  readonly rows: readonly SummaryRow[];
  /** Published results beside the run's own. */
  readonly published: readonly PublishedTable[];
  /** What weights and data have to say about themselves. */
  readonly notes: readonly string[];
  readonly findings: readonly GroupedFinding[];
  readonly failed: readonly Pick<FailedRecord, 'cell' | 'error'>[];
  readonly records: readonly CellRecord[];
}

export function summarizeRun(run: string, report: string | null, records: readonly CellRecord[]): RunSummary {
  const done = records.filter((record): record is DoneRecord => record.status === 'done');
  const failed = records.filter((record): record is FailedRecord => record.status === 'failed');
  const rows = summarize(done);
  return {
    run,
    report,
    description: records[0]?.config.description ?? '',
    phases: phaseFacts(done),
    rows,
    published: publishedTables(records[0]?.config, rows, done),
    notes: notesOf(done),
    findings: groupFindings(done),
    failed: failed.map(({ cell, error }) => ({ cell, error })),
    records,
  };
}

/**
 * The summary as text: table, findings, failures, and where the rest is.
 * @param width characters of a line
 */
export function summaryText(
  { run, report, description, phases, rows, published, notes, findings, failed, records }: RunSummary,
  width = Number.POSITIVE_INFINITY,
): string {
  const severalModels = new Set(records.map(({ cell }) => cell.model)).size > 1;
  const differences = differencesText(rows);
  return [
    ...(rows.length === 0
      ? []
      : [
          ...(description === '' ? [] : [wrapText(description, width), '']),
          resultsTable(phases, rows, width),
          '',
          ...(published.length === 0 ? [] : [publishedText(published, width), '']),
          ...(differences === '' ? [] : [wrapText(differences, width), '']),
          ...notes.map((note) => wrapText(`Note: ${note}`, width, '  ')),
          ...(notes.length > 0 ? [''] : []),
          findingsText(findings, distinctLabels(rows), width),
          '',
        ]),
    ...(failed.length === 0 ? [] : [failuresText(failed, severalModels), '']),
    `Run:    ${run}`,
    ...(report === null ? [] : [`Report: ${report}`]),
  ].join('\n');
}

const distinctLabels = (rows: readonly SummaryRow[]) => new Set(rows.map(({ label }) => label)).size;

export function failuresText(failed: RunSummary['failed'], severalModels: boolean): string {
  const lines = failed.map(({ cell, error }) => {
    const whose = `${cellName(cell, severalModels)}: ${error.code}`;
    return `  ${whose}: ${failureText(error).replaceAll('\n', '\n    ')}`;
  });
  return ['Failed cells:', ...lines].join('\n');
}

/** A finding, with all the cells that have it. */
export interface GroupedFinding {
  readonly code: string;
  readonly severity: Finding['severity'];
  readonly where: string;
  readonly message: string;
  /** Ids of cells. */
  readonly cells: readonly string[];
  /** Labels of their methods. */
  readonly labels: readonly string[];
  /** The first cell's. */
  readonly evidence: Finding['evidence'];
}

const severities: readonly Finding['severity'][] = ['error', 'warning', 'info'];

/** The findings of some records, equal ones together, the gravest first. */
export function groupFindings(records: readonly DoneRecord[]): GroupedFinding[] {
  const groups = new Map<string, { finding: Finding; cells: string[]; labels: Set<string> }>();
  for (const { cell, findings } of records) {
    for (const finding of findings) {
      const key = JSON.stringify([finding.code, finding.where, finding.message]);
      const group = groups.get(key) ?? { finding, cells: [], labels: new Set() };
      group.cells.push(cell.id);
      group.labels.add(cell.label);
      groups.set(key, group);
    }
  }
  return [...groups.values()]
    .map(({ finding, cells, labels }) => ({ ...finding, cells, labels: [...labels] }))
    .toSorted((a, b) => severities.indexOf(a.severity) - severities.indexOf(b.severity));
}

const messageIndent = ' '.repeat(10);

/**
 * Findings as text.
 * @param of the number of methods that were judged
 * @param width characters of a line
 */
export function findingsText(
  findings: readonly GroupedFinding[],
  of: number,
  width = Number.POSITIVE_INFINITY,
): string {
  if (findings.length === 0) return 'The audits found nothing.';
  const lines = findings.map(({ severity, code, where, message, labels }) => {
    const whose = labels.length === of ? 'all methods' : labels.join(', ');
    const [head, text] = [`  ${severity.padEnd(7)} ${code} (${where}; ${whose})`, `          ${message}`];
    return `${wrapText(head, width, messageIndent)}\n${wrapText(text, width, messageIndent)}`;
  });
  return ['Findings of the audits:', ...lines].join('\n');
}
