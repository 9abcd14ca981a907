import type { CellRecord, DoneRecord, FailedRecord, Finding } from '../records/record-schema.js';
import { cellName, failureText } from '../records/record-schema.js';
import { differencesText } from './backend-differences.js';
import { resultsTable } from './results-table.js';
import type { SummaryRow } from './summary-row.js';
import { summarize } from './summary-row.js';

/** What a run ends with. */
export interface RunSummary {
  /** The run folder. */
  readonly run: string;
  /** The HTML page; null when it could not be written. */
  readonly report: string | null;
  readonly rows: readonly SummaryRow[];
  readonly findings: readonly GroupedFinding[];
  readonly failed: readonly Pick<FailedRecord, 'cell' | 'error'>[];
  readonly records: readonly CellRecord[];
}

export function summarizeRun(run: string, report: string | null, records: readonly CellRecord[]): RunSummary {
  const done = records.filter((record): record is DoneRecord => record.status === 'done');
  const failed = records.filter((record): record is FailedRecord => record.status === 'failed');
  return {
    run,
    report,
    rows: summarize(done),
    findings: groupFindings(done),
    failed: failed.map(({ cell, error }) => ({ cell, error })),
    records,
  };
}

/**
 * The summary as text: table, findings, failures, and where the rest is.
 * @param width characters of a line, for the table
 */
export function summaryText(
  { run, report, rows, findings, failed, records }: RunSummary,
  width?: number,
): string {
  const severalModels = new Set(records.map(({ cell }) => cell.model)).size > 1;
  const differences = differencesText(rows);
  return [
    ...(rows.length === 0 ? [] : [resultsTable(rows, width), '']),
    ...(differences === '' ? [] : [differences, '']),
    ...(rows.length === 0 ? [] : [findingsText(findings, distinctLabels(rows)), '']),
    ...(failed.length === 0 ? [] : [failuresText(failed, severalModels), '']),
    `Run:    ${run}`,
    ...(report === null ? [] : [`Report: ${report}`]),
  ].join('\n');
}

const distinctLabels = (rows: readonly SummaryRow[]) => new Set(rows.map(({ label }) => label)).size;

function failuresText(failed: RunSummary['failed'], severalModels: boolean): string {
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

/** Findings as text; `of` is the number of methods that were judged. */
export function findingsText(findings: readonly GroupedFinding[], of: number): string {
  if (findings.length === 0) return 'The audits found nothing.';
  const lines = findings.map(({ severity, code, where, message, labels }) => {
    const whose = labels.length === of ? 'all methods' : labels.join(', ');
    return `  ${severity.padEnd(7)} ${code} (${where}; ${whose})\n          ${message}`;
  });
  return ['Findings of the audits:', ...lines].join('\n');
}
