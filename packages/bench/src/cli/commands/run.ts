import { resolve } from 'node:path';
import type { DataContext } from '@kora-bench/core/data';
import { dataFolders } from '@kora-bench/platform-node/data-folders';
import { loadSuite, quickSuite } from '../../config/load-suite.js';
import type { RunFlags } from '../../config/run-flags.js';
import { applyFlags, changesConfig, flagPaths } from '../../config/run-flags.js';
import type { EstimateSettings, RunEstimate } from '../../estimate/estimate-run.js';
import { checkSpace, estimateRun, estimateText, roundDuration } from '../../estimate/estimate-run.js';
import { cellEntry, missingCells, runCells } from '../../orchestrator/run-cells.js';
import { planCells } from '../../plan/plan-cells.js';
import { outdatedCells, replanCells, shownPlugin } from '../../plan/replan-cells.js';
import type { PlannedMethod, ResolvedConfig } from '../../plan/resolve-config.js';
import { checkData, resolveConfig } from '../../plan/resolve-config.js';
import { chooseView } from '../../progress/views.js';
import type { CellRecord } from '../../records/record-schema.js';
import { cellName, describeFailure, failureText } from '../../records/record-schema.js';
import type { ContinuedRun, RunPlan } from '../../records/run-folder.js';
import {
  continueRun,
  createRun,
  findRun,
  makeRunFolder,
  readPlan,
  runsFolder,
} from '../../records/run-folder.js';
import { summarizeRun, summaryText } from '../../table/run-summary.js';
import { plural } from '../../table/text-table.js';
import type { Severity } from './audit.js';
import { findingsCode } from './audit.js';
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

/** What is asked of a run besides its configuration. */
interface RunSettings {
  readonly suite?: string;
  readonly quick?: boolean;
  readonly out?: string;
  readonly resume?: boolean;
  readonly dryRun?: boolean;
  /** Whether to measure beforehand how long the run will take; true by default. */
  readonly estimate?: boolean;
  readonly takeLock?: boolean;
  /** After so many, no more cells are started. */
  readonly minutes?: number;
  /** Milliseconds, like the next. */
  readonly cellTimeout?: number;
  readonly hangTimeout?: number;
  readonly failOn?: Severity;
  readonly json?: boolean;
}

export interface RunOptions extends RunFlags, RunSettings {}

/** What is to be run, before anything is written. */
interface AskedRun {
  readonly resolved: ResolvedConfig;
  readonly suite: string;
  /** Undefined for a folder that is still to be named. */
  readonly runDir: string | undefined;
  readonly resumes: boolean;
  readonly changesConfig: boolean;
  readonly planned: readonly PlannedMethod[];
}

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
    const missing = await missingCells(runDir, plan);
    const done = plan.cells.length - missing.length;
    printMessage(
      `Run folder: ${runDir}; ${plural(missing.length, 'cell')} to do${done > 0 ? `, ${done} done before` : ''}.`,
    );
    const stop = AbortSignal.any([interruption.signal, lease.lost]);
    const expected = await tellEstimate(
      { ...opened, ...asked, ...context, runDir, cells: missing, stop },
      settings,
    );
    const view = chooseView();
    const { records, stopped } = await runCells(runDir, plan, context, {
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
    const { writeReport } = await import('../../report/run-page.js');
    const page = await writeReport(runDir).catch((error: unknown) => {
      printMessage(`There is no report. ${failureText(describeFailure(error))}`);
      return null;
    });
    const summary = summarizeRun(runDir, page, records);
    if (json) printJson({ ...summary, ...(unfinished && { error: unfinished }) });
    else printResult(summaryText(summary, outputWidth()));
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

function splitOptions(options: RunOptions): { readonly settings: RunSettings; readonly flags: RunFlags } {
  const {
    suite,
    quick,
    out,
    resume,
    dryRun,
    estimate,
    takeLock,
    minutes,
    cellTimeout,
    hangTimeout,
    failOn,
    json,
    ...flags
  } = options;
  const given = {
    ...{ suite, quick, out, resume, dryRun, estimate, takeLock },
    ...{ minutes, cellTimeout, hangTimeout, failOn, json },
  };
  const settings = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
  return { settings, flags };
}

/** Looks everything up and checks it; writes nothing. */
async function resolveRun(settings: RunSettings, flags: RunFlags, context: DataContext): Promise<AskedRun> {
  const { suite: suiteName, quick, out, resume: resumes = false } = settings;
  const asked = suiteName !== undefined || quick === true || changesConfig(flags);
  const runDir = resumes ? await findRun(out ?? 'latest') : out === undefined ? undefined : resolve(out);
  const found =
    resumes && runDir !== undefined && !asked
      ? await resolveStored(runDir)
      : await resolveAsked(settings, flags);
  const planned = await checkData(found.resolved, context);
  return { ...found, runDir, resumes, changesConfig: asked, planned };
}

async function openRun(
  { resolved, suite, runDir: named, resumes, changesConfig: changed }: AskedRun,
  { takeLock: take = false }: RunSettings,
): Promise<OpenRun> {
  if (resumes) {
    const runDir = named!;
    const continued = await continueRun(runDir, changed ? resolved.config : undefined, {
      replan: (plan) => replanCells(plan, resolved),
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

/** Shows what a run would do. */
async function dryRun(
  { resolved, runDir, resumes, planned }: AskedRun,
  context: DataContext,
  { json, estimate: measures = true }: RunSettings,
): Promise<number> {
  const all = resumes ? replanCells(await readPlan(runDir!), resolved) : planCells(resolved);
  const cells = resumes
    ? await missingCells(runDir!, { ...(await readPlan(runDir!)), cells: [...all] })
    : all;
  const { config } = resolved;
  const where = runDir ?? resolve(runsFolder);
  const estimate = measures
    ? await estimateRun({ ...context, config, cells, planned, runDir: where, always: true })
    : undefined;
  if (json) printJson({ cells, ...(estimate && { estimate }) });
  else {
    const severalModels = config.models.length > 1;
    const lines = cells.map((cell) => {
      const seconds = estimate?.expected.inSeconds ? estimate.expected.byCell[cell.id] : undefined;
      const time = seconds === undefined ? '' : `  about ${roundDuration(seconds)}`;
      return `  ${cellName(cell, severalModels)}${time}`;
    });
    const head = `${plural(cells.length, 'cell')}${all.length > cells.length ? `, ${all.length - cells.length} done before` : ''}:`;
    printResult([head, ...lines, ...(estimate ? [estimateText(estimate)] : [])].join('\n'));
  }
  return exitCode.done;
}

/** Says how long a run will take and what room it needs. */
async function tellEstimate(
  { resolved, ...settings }: Omit<EstimateSettings, 'config'> & { readonly resolved: ResolvedConfig },
  { estimate: measures = true }: RunSettings,
): Promise<RunEstimate['expected'] | undefined> {
  if (!measures || settings.cells.length === 0) return undefined;
  const estimate = await estimateRun({ ...settings, config: resolved.config });
  printMessage(estimateText(estimate));
  const warning = checkSpace(estimate, settings.runDir);
  if (warning !== undefined) printMessage(warning);
  return estimate.expected;
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

async function resolveAsked({ suite: suiteName, quick }: RunSettings, flags: RunFlags) {
  const suite =
    suiteName === undefined
      ? await loadSuite(quick === true ? quickSuite : 'default')
      : await loadSuite(suiteName, quick === true);
  const config = applyFlags(suite.config, flags);
  return { resolved: await resolveConfig(config, flagPaths(flags, config)), suite: suite.name };
}

async function resolveStored(runDir: string) {
  const { config, suite } = await readPlan(runDir);
  return { resolved: await resolveConfig(config), suite };
}

/** The first signal ends the run in order; a second one ends this process at once. */
function watchSignals() {
  const controller = new AbortController();
  let received: keyof typeof signalExitCodes | undefined;
  const names = Object.keys(signalExitCodes) as (keyof typeof signalExitCodes)[];
  const listeners = names.map((name) => {
    const listener = () => {
      if (received !== undefined) process.exit(signalExitCodes[name]);
      received = name;
      printMessage('Stopping; once more to stop at once.');
      controller.abort();
    };
    process.on(name, listener);
    return { name, listener };
  });
  return {
    signal: controller.signal,
    received: () => received,
    end: () => {
      for (const { name, listener } of listeners) process.off(name, listener);
    },
  };
}
