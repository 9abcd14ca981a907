import { rm } from 'node:fs/promises';
import type { ReportProgress } from '@kora-bench/trainer';
import type { CellMessage } from '../cell/cell-process.js';
import type { CellJob } from '../cell/resources.js';
import { describeFailure, failureText } from '../records/describe-failure.js';
import { readRecordIfValid } from '../records/read-records.js';
import type { CellRecord, FailedRecord } from '../records/record-schema.js';
import { logPath, recordPath } from '../records/run-paths.js';
import { writeOutput } from '../records/write-output.js';
import { writeRecord } from '../records/write-record.js';
import { runChild } from './child-process.js';
import { explainEnd } from './explain-end.js';

/** The program of a cell's process. */
export const cellEntry = new URL('../cell/cell-process.js', import.meta.url);

export interface CellProcessOptions {
  readonly entry?: string | URL;
  readonly stop?: AbortSignal;
  readonly graceMs?: number;
}

/**
 * Runs a cell in a process of its own. However that ends, the run folder holds a record afterwards, which is
 * returned; undefined when it was stopped. Never rejects for what happened to the cell.
 */
export async function runCellProcess(
  job: CellJob,
  report: ReportProgress,
  { entry = cellEntry, stop, graceMs }: CellProcessOptions = {},
): Promise<CellRecord | undefined> {
  const { runDir, cell, config } = job;
  const startedAt = new Date().toISOString();
  let told: FailedRecord['error'] | undefined;
  try {
    await rm(recordPath(runDir, cell.id), { force: true });
    const end = await runChild({
      entry,
      job,
      onMessage(message) {
        const known = message as CellMessage;
        if (known.type === 'progress') report(known.event);
        else if (known.type === 'failed') told = known.error;
      },
      ...(stop && { stop }),
      ...(graceMs !== undefined && { graceMs }),
    });
    const record = await readRecordIfValid(runDir, cell.id);
    if (record?.status === 'done') {
      if (end.hung)
        report({ kind: 'message', text: 'The process did not end after its record; it was killed.' });
      else if (end.code !== 0 && !end.stopped)
        report({
          kind: 'message',
          text: 'The process crashed after its record was written; the record counts.',
        });
      return record;
    }
    if (end.stopped) return undefined;
    const log = end.output.trim() === '' ? null : logPath(runDir, cell.id);
    if (log !== null) await writeOutput(log, end.output);
    told ??= explainEnd(end, log);
  } catch (error) {
    told ??= describeFailure(error);
  }
  const failed: FailedRecord = {
    schemaVersion: 2,
    status: 'failed',
    cell,
    config,
    startedAt,
    finishedAt: new Date().toISOString(),
    error: told,
  };
  try {
    await writeRecord(runDir, failed);
  } catch (error) {
    report({ kind: 'message', text: `The failure is not recorded. ${failureText(describeFailure(error))}` });
  }
  return failed;
}
