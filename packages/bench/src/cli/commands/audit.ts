import { readRecords } from '../../records/record-files.js';
import { findRun, readPlan } from '../../records/run-folder.js';
import type { GroupedFinding } from '../../table/run-summary.js';
import { failuresText, findingsText, summarizeRun } from '../../table/run-summary.js';
import { plural } from '../../table/text-table.js';
import { exitCode, outputWidth, printJson, printMessage, printResult } from './output.js';

/** The least severity of a finding that ends a command with an exit code of its own. */
export type Severity = 'error' | 'warning';

export interface AuditOptions {
  readonly failOn?: Severity;
  readonly json?: boolean;
}

/**
 * Prints the findings of a run's finished cells, and which cells failed.
 * @returns the exit code: that of a failure where a cell failed or is missing
 */
export async function audit(run: string, { failOn, json }: AuditOptions): Promise<number> {
  const runDir = await findRun(run);
  const { cells, config } = await readPlan(runDir);
  const records = await readRecords(
    runDir,
    cells.map(({ id }) => id),
  );
  const { findings, failed } = summarizeRun(runDir, null, records);
  const audited = records.length - failed.length;
  const missing = cells.filter(({ id }) => !records.some(({ cell }) => cell.id === id)).map(({ id }) => id);
  if (json) printJson({ run: runDir, cells: cells.length, audited, findings, failed, missing });
  else {
    const labels = new Set(records.filter(({ status }) => status === 'done').map(({ cell }) => cell.label));
    printResult(
      [
        `${audited} of ${cells.length} cells are done and audited.`,
        findingsText(findings, labels.size, outputWidth()),
        ...(failed.length > 0 ? [failuresText(failed, config.models.length > 1)] : []),
        ...(missing.length > 0 ? [`${plural(missing.length, 'cell')} not done: ${missing.join(', ')}`] : []),
      ].join('\n'),
    );
  }
  if (failed.length + missing.length > 0) return exitCode.failed;
  return findingsCode(findings, failOn);
}

/** The exit code for findings of a severity or graver; says why. */
export function findingsCode(findings: readonly GroupedFinding[], failOn: Severity | undefined): number {
  const grave = findings.filter(
    ({ severity }) => severity === 'error' || (severity === 'warning' && failOn === 'warning'),
  );
  if (failOn === undefined || grave.length === 0) return exitCode.done;
  const codes = [...new Set(grave.map(({ code }) => code))].join(', ');
  printMessage(`${plural(grave.length, 'finding')} for --fail-on ${failOn}: ${codes}.`);
  return exitCode.found;
}
