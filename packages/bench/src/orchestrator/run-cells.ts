import { rm } from 'node:fs/promises';
import type { DataContext } from '@kora-bench/core/data';
import type { ProgressEvent, ReportProgress } from '@kora-bench/trainer';
import type { CellMessage } from '../cell/cell-process.js';
import type { CellJob } from '../cell/run-cell.js';
import type { Expectation } from '../progress/run-clock.js';
import { RunClock } from '../progress/run-clock.js';
import type { ProgressView } from '../progress/views.js';
import { hasKeptWeights } from '../records/kept-weights.js';
import { readRecordIfValid, writeRecord } from '../records/record-files.js';
import type { Cell, CellRecord, ChosenRate, FailedRecord, SearchRecord } from '../records/record-schema.js';
import { describeFailure, failureText } from '../records/record-schema.js';
import { logPath, recordPath, writeOutput } from '../records/run-files.js';
import type { RunPlan } from '../records/run-folder.js';
import { explainEnd, runChild } from './child-process.js';
import type { ProcessLimits } from './watchdog.js';

export interface CellsResult {
  /** In the order of the plan. */
  readonly records: readonly CellRecord[];
  /** Whether it was stopped before the last cell ended. */
  readonly stopped: boolean;
}

/** The cells of a plan that have no finished record yet, or lack the trained weights that are to be kept. */
export async function missingCells(
  runDir: string,
  { cells, config }: Pick<RunPlan, 'cells' | 'config'>,
): Promise<Cell[]> {
  const isDone = async ({ id }: Cell) => {
    const record = await readRecordIfValid(runDir, id);
    return record?.status === 'done' && (!config.keepWeights || (await hasKeptWeights(runDir, record)));
  };
  const done = await Promise.all(cells.map(isDone));
  return cells.filter((_, index) => !done[index]);
}

export interface RunCellsOptions extends CellProcessOptions {
  readonly view: ProgressView;
  /** What a search found, by cell; none for cells whose rate the configuration gives. */
  readonly rates?: ReadonlyMap<string, ChosenRate>;
  /** Is asked before each cell; false ends the run there. */
  mayStart?(): boolean;
  /** How long cells are expected to take. */
  readonly expected?: Expectation;
}

/** Runs the missing cells of a plan one after the other; a cell that fails costs no other. */
export async function runCells(
  runDir: string,
  plan: RunPlan,
  { dataDir, cacheDir }: DataContext,
  { view, rates, mayStart = () => true, expected, ...options }: RunCellsOptions,
): Promise<CellsResult> {
  const cells = await missingCells(runDir, plan);
  const missing = new Set(cells.map(({ id }) => id));
  const clock = new RunClock(cells, expected);
  const records: CellRecord[] = [];
  let stopped = false;
  for (const [index, cell] of plan.cells.entries()) {
    if (!missing.has(cell.id)) {
      const record = await readRecordIfValid(runDir, cell.id);
      if (record !== undefined) records.push(record);
      continue;
    }
    if (stopped || options.stop?.aborted || !mayStart()) {
      stopped = true;
      continue;
    }
    clock.started(cell);
    view.cellStarted({
      secondsLeft: () => clock.secondsLeft(),
      cell,
      number: index + 1,
      of: plan.cells.length,
      severalModels: plan.config.models.length > 1,
    });
    const rate = rates?.get(cell.id);
    const job = { cell, config: plan.config, runDir, dataDir, cacheDir };
    const report: ReportProgress = (event) => view.progress(event);
    const record =
      rate !== undefined && 'error' in rate
        ? await recordFailure(job, { error: rate.error, startedAt: new Date().toISOString() }, report)
        : await runCellProcess(rate === undefined ? job : withRate(job, rate), report, options);
    if (record === undefined) stopped = true;
    else {
      records.push(record);
      clock.ended(record.status === 'done');
      view.cellEnded(record);
    }
  }
  return { records, stopped };
}

function withRate(job: CellJob, search: SearchRecord): CellJob {
  return { ...job, cell: { ...job.cell, learningRate: search.chosen }, search };
}

/** The program of a cell's process. */
export const cellEntry = new URL('../cell/cell-process.js', import.meta.url);

export interface CellProcessOptions {
  readonly entry?: string | URL;
  readonly stop?: AbortSignal;
  readonly graceMs?: number;
  /** How long a cell may take. */
  readonly limits?: ProcessLimits;
}

/**
 * Runs a cell in a child process. However that ends, the run folder holds a record afterwards, which is
 * returned; undefined when it was stopped. Never rejects for what happened to the cell.
 */
export async function runCellProcess(
  job: CellJob,
  report: ReportProgress,
  { entry = cellEntry, stop, graceMs, limits }: CellProcessOptions = {},
): Promise<CellRecord | undefined> {
  const { runDir, cell } = job;
  const startedAt = new Date().toISOString();
  let told: FailedRecord['error'] | undefined;
  let doing: string | null = null;
  try {
    await rm(recordPath(runDir, cell.id), { force: true });
    const end = await runChild({
      entry,
      job,
      onMessage(message) {
        const known = message as CellMessage;
        if (known.type === 'progress') {
          doing = lastWord(known.event);
          report(known.event);
        } else if (known.type === 'failed') told = known.error;
      },
      ...(stop && { stop }),
      ...(graceMs !== undefined && { graceMs }),
      ...(limits && { limits }),
    });
    const record = await readRecordIfValid(runDir, cell.id);
    if (record?.status === 'done') {
      if (end.hung || end.overdue !== null)
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
    told ??= explainEnd(end, log, doing);
  } catch (error) {
    told ??= describeFailure(error);
  }
  return recordFailure(job, { error: told, startedAt }, report);
}

/** Writes the record of a cell that failed. Never rejects. */
async function recordFailure(
  { runDir, cell, config }: CellJob,
  { error, startedAt }: Pick<FailedRecord, 'error' | 'startedAt'>,
  report: ReportProgress,
): Promise<FailedRecord> {
  const failed: FailedRecord = {
    schemaVersion: 2,
    status: 'failed',
    cell,
    config,
    startedAt,
    finishedAt: new Date().toISOString(),
    error,
  };
  try {
    await writeRecord(runDir, failed);
  } catch (error) {
    report({ kind: 'message', text: `The failure is not recorded. ${failureText(describeFailure(error))}` });
  }
  return failed;
}

/** What a cell was last heard to do. */
function lastWord(event: ProgressEvent): string {
  switch (event.kind) {
    case 'phase':
      return `${event.phase}: ${event.totalSteps} steps to do`;
    case 'step':
      return event.step < event.totalSteps
        ? `${event.phase}: step ${event.step}/${event.totalSteps}`
        : `${event.phase}: all ${event.totalSteps} steps done; reading and compiling for what comes next`;
    case 'message':
      return event.text;
  }
}
