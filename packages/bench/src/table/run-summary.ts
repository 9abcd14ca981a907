import { failureText } from '../records/describe-failure.js';
import type { CellRecord, DoneRecord, FailedRecord } from '../records/record-schema.js';
import type { GroupedFinding } from './grouped-findings.js';
import { findingsText, groupFindings } from './grouped-findings.js';
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
export function summaryText({ run, report, rows, findings, failed }: RunSummary, width?: number): string {
  return [
    ...(rows.length === 0
      ? []
      : [resultsTable(rows, width), '', findingsText(findings, distinctLabels(rows)), '']),
    ...(failed.length === 0 ? [] : [failuresText(failed), '']),
    `Run:    ${run}`,
    ...(report === null ? [] : [`Report: ${report}`]),
  ].join('\n');
}

const distinctLabels = (rows: readonly SummaryRow[]) => new Set(rows.map(({ label }) => label)).size;

function failuresText(failed: RunSummary['failed']): string {
  const lines = failed.map(({ cell, error }) => {
    const whose = `${cell.label} on ${cell.backend}:${cell.device}, seed ${cell.seed}: ${error.code}`;
    return `  ${whose}: ${failureText(error).replaceAll('\n', '\n    ')}`;
  });
  return ['Failed cells:', ...lines].join('\n');
}
