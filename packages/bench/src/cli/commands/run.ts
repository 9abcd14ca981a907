import type { DataContext } from '@kora-bench/core/data';
import { dataFolders } from '@kora-bench/platform-node/data-folders';
import { ratesChosenElsewhere } from '../../audits/rates-audit.js';
import { ablationsOf, ablationText } from '../../method-comparison/ablations.js';
import { compareMethods } from '../../method-comparison/compare-methods.js';
import { methodComparisonText } from '../../method-comparison/method-comparison-text.js';
import type { CellsResult, RunCellsOptions } from '../../orchestrator/run-cells.js';
import { cellEntry, missingCells, runCells } from '../../orchestrator/run-cells.js';
import { runSearch, searchFolder } from '../../orchestrator/run-search.js';
import { planCells } from '../../plan/plan-cells.js';
import { outdatedCells, replanCells, shownPlugin } from '../../plan/replan-cells.js';
import type { ResolvedConfig } from '../../plan/resolve-config.js';
import { chooseView } from '../../progress/views.js';
import type { CellRecord } from '../../records/record-schema.js';
import { describeFailure, failureText } from '../../records/record-schema.js';
import type { ContinuedRun, RunPlan } from '../../records/run-folder.js';
import { continueRun, createRun, makeRunFolder } from '../../records/run-folder.js';
import { summarizeRun, summaryText } from '../../table/run-summary.js';
import { plural, wrapText } from '../../table/text-table.js';
import type { AskedRun, RunOptions, RunSettings } from './asked-run.js';
import { resolveRun, splitOptions } from './asked-run.js';
import { findingsCode } from './audit.js';
import { dryRun, tellEstimate } from './dry-run.js';
import type { JsonError } from './output.js';
import {
  exitCode,
  explainError,
  outputWidth,
  printJson,
  printMessage,
  printResult,
  signalExitCodes,
} from './output.js';
import { watchSignals } from './signals.js';

interface OpenRun extends ContinuedRun {
  readonly runDir: string;
  readonly resolved: ResolvedConfig;
}

/**
 * Trains and judges.
 * @param entry the program of a cell's process
 * @returns the exit code
 */
export async function run(options: RunOptions, entry: string | URL = cellEntry): Promise<number> {
  const context = dataFolders();
  const { settings, flags } = splitOptions(options);
  const { json = false, minutes = Infinity, cellTimeout = Infinity, hangTimeout = Infinity } = settings;
  const asked = await resolveRun(settings, flags, context);
  if (settings.dryRun) return dryRun(asked, context, settings);
  const opened = await openRun(asked, settings);
  const { runDir, plan, lease } = opened;
  const interruption = watchSignals();
  const began = performance.now();
  try {
    await tellOutdated(opened);
    tellRates(opened);
    const missing = await missingCells(runDir, plan);
    const done = plan.cells.length - missing.length;
    printMessage(
      `Run folder: ${runDir}; ${plural(missing.length, 'cell')} to do${done > 0 ? `, ${done} done before` : ''}.`,
    );
    const stop = AbortSignal.any([interruption.signal, lease.lost]);
    const { config } = plan;
    const { planned } = asked;
    const expected = await tellEstimate(
      { ...context, config, planned, runDir, cells: missing, stop },
      settings,
    );
    const view = chooseView();
    const { records, stopped } = await searchAndRun(opened, context, {
      view,
      stop,
      ...(expected && { expected }),
      mayStart: () => performance.now() - began < 60_000 * minutes,
      limits: { silenceMs: hangTimeout, totalMs: cellTimeout },
      entry,
    }).finally(() => view.close());
    if (lease.lost.aborted) {
      explainError(lease.lost.reason, { json });
      return exitCode.lost;
    }
    const unfinished = stopped ? describeStop(opened, records, interruption.received()) : undefined;
    if (unfinished !== undefined && interruption.received() !== undefined) {
      if (json) printJson({ error: unfinished });
      printMessage(`${unfinished.message} To go on: ${unfinished.fix}`);
      return signalExitCodes[interruption.received()!];
    }
    const methods = await compareMethods(runDir, records);
    const { writeReport } = await import('../../report/formats.js');
    const page = await writeReport(runDir, { methods }).catch((error: unknown) => {
      printMessage(`There is no report. ${failureText(describeFailure(error))}`);
      return null;
    });
    const summary = summarizeRun(runDir, page, records);
    if (json) printJson({ ...summary, methods, ...(unfinished && { error: unfinished }) });
    else {
      printResult(summaryText(summary, outputWidth()));
      const differences = methodComparisonText(methods);
      const changes = ablationText(ablationsOf(methods.comparisons, records));
      for (const text of [differences, changes])
        if (text !== '') printResult(`\n${wrapText(text, outputWidth())}`);
    }
    if (unfinished !== undefined) printMessage(`${unfinished.message} To go on: ${unfinished.fix}`);
    if (page === null) return exitCode.lost;
    if (summary.failed.length > 0) return exitCode.failed;
    if (unfinished !== undefined) return exitCode.outOfTime;
    return findingsCode(summary.findings, settings.failOn);
  } finally {
    interruption.end();
    await lease.release();
  }
}

/** The search for the learning rates, where the run has one, and then the cells. */
async function searchAndRun(
  { runDir, plan, resolved }: OpenRun,
  context: DataContext,
  work: RunCellsOptions,
): Promise<CellsResult> {
  const { expected: _, ...trial } = work;
  const { rates, stopped } = await runSearch({ runDir, plan, resolved }, context, {
    ...trial,
    started: (trials) =>
      printMessage(
        `Search for the learning rates: ${plural(trials, 'training')} of the phase ${plan.config.phases[0]!.name}, scored on val, in ${searchFolder(runDir)}.`,
      ),
  });
  return stopped ? { records: [], stopped } : runCells(runDir, plan, context, { ...work, rates });
}

/** Says, before anything trains, which of the run's rates were chosen for something else. */
function tellRates({ plan: { config } }: OpenRun): void {
  for (const message of new Set(config.models.map((model) => ratesChosenElsewhere(config, model))))
    if (message !== undefined) printMessage(`Note: ${message}`);
}

async function openRun(
  { resolved, suite, runDir: named, resumes, changesConfig: changed }: AskedRun,
  { takeLock: take = false }: RunSettings,
): Promise<OpenRun> {
  if (resumes) {
    const runDir = named!;
    const continued = await continueRun(runDir, changed ? resolved.config : undefined, {
      replan: (plan) => replanCells(plan, resolved),
      keepWeights: resolved.config.keepWeights,
      take,
    });
    return { runDir, resolved, ...continued };
  }
  const cells = planCells(resolved);
  const runDir = named ?? makeRunFolder(suite);
  const createdAt = new Date().toISOString();
  const plan: RunPlan = { schemaVersion: 2, suite, createdAt, config: resolved.config, cells };
  return { runDir, resolved, plan, cellsBefore: cells, lease: await createRun(runDir, plan, { take }) };
}

/** Why a run ended before its last cell, and how to go on. */
function describeStop(
  { runDir, plan }: OpenRun,
  records: readonly CellRecord[],
  signal: NodeJS.Signals | undefined,
): JsonError {
  const finished = records.filter(({ status }) => status === 'done').length;
  const all = plural(plan.cells.length, 'cell');
  const reason = signal === undefined ? 'The time is up' : 'Stopped';
  return {
    code: signal === undefined ? 'OUT_OF_TIME' : 'STOPPED',
    message: `${reason}; ${finished} of ${all} ${plan.cells.length === 1 ? 'is' : 'are'} done.`,
    where: runDir,
    expected: `${all} done`,
    received: String(finished),
    fix: `--resume --out ${runDir}`,
  };
}

/** Says which results are made again, and why. */
async function tellOutdated({ runDir, resolved, ...run }: OpenRun): Promise<void> {
  const { count, plugins } = await outdatedCells(runDir, run, resolved);
  if (count === 0) return;
  const names = plugins.map((name) => shownPlugin(name)).join(', ');
  const by = names === '' ? '' : ` (${plugins.length === 1 ? 'plugin' : 'plugins'} ${names})`;
  printMessage(
    count === 1
      ? `1 cell was made by other code${by} and runs again.`
      : `${count} cells were made by other code${by} and run again.`,
  );
}
