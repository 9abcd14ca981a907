import { resolve } from 'node:path';
import type { DataContext } from '@kora-bench/core/data';
import type { EstimateSettings, RunEstimate } from '../../estimate/estimate-run.js';
import { checkSpace, estimateRun, estimateText, roundDuration } from '../../estimate/estimate-run.js';
import { missingCells } from '../../orchestrator/run-cells.js';
import { planCells } from '../../plan/plan-cells.js';
import { replanCells } from '../../plan/replan-cells.js';
import type { Cell } from '../../records/record-schema.js';
import { cellName } from '../../records/record-schema.js';
import { readPlan, runsFolder } from '../../records/run-folder.js';
import { plural } from '../../table/text-table.js';
import type { AskedRun, RunSettings } from './asked-run.js';
import { exitCode, printJson, printMessage, printResult } from './output.js';

/** Shows what a run would do: its cells, how long they take and the room that they need. */
export async function dryRun(
  asked: AskedRun,
  context: DataContext,
  { json, estimate: measures = true }: RunSettings,
): Promise<number> {
  const { resolved, planned } = asked;
  const { cells, doneBefore } = await cellsToRun(asked);
  const runDir = asked.runDir ?? resolve(runsFolder);
  const estimate =
    measures && cells.length > 0
      ? await estimateRun({ ...context, config: resolved.config, cells, planned, runDir, always: true })
      : undefined;
  if (json) printJson({ cells, ...(estimate && { estimate }) });
  else {
    const severalModels = resolved.config.models.length > 1;
    const lines = cells.map((cell) => {
      const seconds = estimate?.expected.inSeconds ? estimate.expected.byCell[cell.id] : undefined;
      const time = seconds === undefined ? '' : `  about ${roundDuration(seconds)}`;
      return `  ${cellName(cell, severalModels)}${time}`;
    });
    const head = `${plural(cells.length, 'cell')}${doneBefore > 0 ? `, ${doneBefore} done before` : ''}:`;
    printResult([head, ...lines, ...(estimate ? [estimateText(estimate)] : [])].join('\n'));
  }
  return exitCode.done;
}

async function cellsToRun({
  resolved,
  runDir,
  resumes,
}: AskedRun): Promise<{ readonly cells: readonly Cell[]; readonly doneBefore: number }> {
  if (!resumes || runDir === undefined) return { cells: planCells(resolved), doneBefore: 0 };
  const plan = await readPlan(runDir);
  const all = [...replanCells(plan, resolved)];
  const cells = await missingCells(runDir, { config: resolved.config, cells: all });
  return { cells, doneBefore: all.length - cells.length };
}

/**
 * Says how long a run will take and what room it needs.
 * @returns how long its cells take beside each other
 * @throws InputError where its results do not fit on the disk
 */
export async function tellEstimate(
  settings: EstimateSettings,
  { estimate: measures = true }: RunSettings,
): Promise<RunEstimate['expected'] | undefined> {
  if (!measures || settings.cells.length === 0) return undefined;
  const estimate = await estimateRun(settings);
  printMessage(estimateText(estimate));
  const warning = checkSpace(estimate, settings.runDir);
  if (warning !== undefined) printMessage(warning);
  return estimate.expected;
}
