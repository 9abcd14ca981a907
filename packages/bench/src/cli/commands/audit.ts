import { readRecords } from '../../records/record-files.js';
import type { DoneRecord } from '../../records/record-schema.js';
import { findRun, readPlan } from '../../records/run-folder.js';
import { findingsText, groupFindings } from '../../table/run-summary.js';
import { exitCode, printJson, printResult } from './output.js';

/** Prints the findings of a run's finished cells. */
export async function audit(run: string, { json }: { readonly json?: boolean }): Promise<number> {
  const runDir = await findRun(run);
  const { cells } = await readPlan(runDir);
  const records = await readRecords(
    runDir,
    cells.map(({ id }) => id),
  );
  const done = records.filter((record): record is DoneRecord => record.status === 'done');
  const findings = groupFindings(done);
  if (json) {
    printJson({ run: runDir, cells: cells.length, audited: done.length, findings });
    return exitCode.done;
  }
  const methods = new Set(done.map(({ cell }) => cell.label)).size;
  printResult(
    `${done.length} of ${cells.length} cells are done and audited.\n${findingsText(findings, methods)}`,
  );
  return exitCode.done;
}
