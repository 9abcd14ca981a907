import type { DataContext } from '@kora-bench/core';
import type { ProgressView } from '../progress/progress-view.js';
import { readRecordIfValid } from '../records/read-records.js';
import type { Cell, CellRecord } from '../records/record-schema.js';
import type { RunPlan } from '../records/run-plan.js';
import type { CellProcessOptions } from './run-cell-process.js';
import { runCellProcess } from './run-cell-process.js';

export interface CellsResult {
  /** In the order of the plan. */
  readonly records: readonly CellRecord[];
  /** Whether it was stopped before the last cell ended. */
  readonly stopped: boolean;
}

/** The cells of a plan that have no finished record yet. */
export async function missingCells(runDir: string, { cells }: RunPlan): Promise<Cell[]> {
  const records = await Promise.all(cells.map(({ id }) => readRecordIfValid(runDir, id)));
  return cells.filter((_, index) => records[index]?.status !== 'done');
}

/** Runs the missing cells of a plan one after the other; a cell that fails costs no other. */
export async function runCells(
  runDir: string,
  plan: RunPlan,
  { dataDir, cacheDir }: DataContext,
  view: ProgressView,
  options: CellProcessOptions = {},
): Promise<CellsResult> {
  const missing = new Set((await missingCells(runDir, plan)).map(({ id }) => id));
  const records: CellRecord[] = [];
  let stopped = false;
  for (const [index, cell] of plan.cells.entries()) {
    if (!missing.has(cell.id)) {
      const record = await readRecordIfValid(runDir, cell.id);
      if (record !== undefined) records.push(record);
      continue;
    }
    if (stopped || options.stop?.aborted) {
      stopped = true;
      continue;
    }
    view.cellStarted({ cell, number: index + 1, of: plan.cells.length });
    const job = { cell, config: plan.config, runDir, dataDir, cacheDir };
    const record = await runCellProcess(job, (event) => view.progress(event), options);
    if (record === undefined) stopped = true;
    else {
      records.push(record);
      view.cellEnded(record);
    }
  }
  return { records, stopped };
}
