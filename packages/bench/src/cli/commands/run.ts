import { resolve } from 'node:path';
import { dataFolders } from '@kora-bench/platform-node/data-folders';
import { loadSuite, quickSuite } from '../../config/load-suite.js';
import type { RunFlags } from '../../config/run-flags.js';
import { applyFlags, changesConfig, flagPaths } from '../../config/run-flags.js';
import { compareMethods } from '../../method-comparison/compare-methods.js';
import { methodComparisonText } from '../../method-comparison/method-comparison-text.js';
import { cellEntry, missingCells, runCells } from '../../orchestrator/run-cells.js';
import { planCells } from '../../plan/plan-cells.js';
import { outdatedCells, replanCells, shownPlugin } from '../../plan/replan-cells.js';
import type { ResolvedConfig } from '../../plan/resolve-config.js';
import { checkData, resolveConfig } from '../../plan/resolve-config.js';
import { chooseView } from '../../progress/views.js';
import { describeFailure, failureText } from '../../records/record-schema.js';
import type { ContinuedRun, RunPlan } from '../../records/run-folder.js';
import { continueRun, createRun, defaultRunFolder, findRun, readPlan } from '../../records/run-folder.js';
import { summarizeRun, summaryText } from '../../table/run-summary.js';
import { plural } from '../../table/text-table.js';
import { exitCode, printJson, printMessage, printResult, signalExitCodes } from './output.js';

export interface RunOptions extends RunFlags {
  readonly suite?: string;
  readonly quick?: boolean;
  readonly out?: string;
  readonly resume?: boolean;
  readonly json?: boolean;
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
  const opened = await openRun(options, (resolved) => checkData(resolved, context));
  const { runDir, plan, release } = opened;
  const interruption = watchSignals();
  try {
    await tellOutdated(opened);
    const missing = await missingCells(runDir, plan);
    const done = plan.cells.length - missing.length;
    printMessage(
      `Run folder: ${runDir}; ${plural(missing.length, 'cell')} to do${done > 0 ? `, ${done} done before` : ''}.`,
    );
    const view = chooseView();
    const { records, stopped } = await runCells(runDir, plan, context, {
      view,
      stop: interruption.signal,
      entry,
    }).finally(() => view.close());
    if (stopped) {
      const finished = records.filter(({ status }) => status === 'done').length;
      printMessage(
        `Stopped; ${finished} of ${plural(plan.cells.length, 'cell')} ${plan.cells.length === 1 ? 'is' : 'are'} done. To go on: --resume --out ${runDir}`,
      );
      return interruption.code();
    }
    const { writeReport } = await import('../../report/run-page.js');
    const page = await writeReport(runDir).catch((error: unknown) => {
      printMessage(`There is no report. ${failureText(describeFailure(error))}`);
      return null;
    });
    const summary = summarizeRun(runDir, page, records);
    const methods = await compareMethods(runDir, records);
    if (options.json) printJson({ ...summary, methods });
    else {
      printResult(summaryText(summary, process.stdout.isTTY ? process.stdout.columns : undefined));
      const differences = methodComparisonText(methods);
      if (differences !== '') printResult(`\n${differences}`);
    }
    return summary.failed.length > 0 ? exitCode.failed : exitCode.done;
  } finally {
    interruption.end();
    await release();
  }
}

async function openRun(
  options: RunOptions,
  check: (resolved: ResolvedConfig) => Promise<void>,
): Promise<OpenRun> {
  const { suite: suiteName, quick, out, resume, json, ...flags } = options;
  const asked = suiteName !== undefined || quick === true || changesConfig(flags);
  if (resume === true) {
    const runDir = await findRun(out ?? 'latest');
    const { resolved } = asked ? await resolveAsked(options, flags) : await resolveStored(runDir);
    await check(resolved);
    const continued = await continueRun(runDir, asked ? resolved.config : undefined, (plan) =>
      replanCells(plan, resolved),
    );
    return { runDir, resolved, ...continued };
  }
  const { resolved, suite } = await resolveAsked(options, flags);
  const cells = planCells(resolved);
  await check(resolved);
  const runDir = out === undefined ? defaultRunFolder(suite) : resolve(out);
  const createdAt = new Date().toISOString();
  const plan: RunPlan = { schemaVersion: 2, suite, createdAt, config: resolved.config, cells };
  return { runDir, resolved, plan, cellsBefore: cells, release: await createRun(runDir, plan) };
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

async function resolveAsked({ suite: suiteName, quick }: RunOptions, flags: RunFlags) {
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
    code: () => signalExitCodes[received ?? 'SIGINT'],
    end: () => {
      for (const { name, listener } of listeners) process.off(name, listener);
    },
  };
}
