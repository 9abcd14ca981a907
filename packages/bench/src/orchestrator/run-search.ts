import { join } from 'node:path';
import type { DataContext } from '@kora-bench/core/data';
import { primaryMetric } from '@kora-bench/core/training';
import { canonicalJson } from '../input/json.js';
import { planCells } from '../plan/plan-cells.js';
import { searchOf, trialsOf } from '../plan/plan-search.js';
import type { ResolvedConfig } from '../plan/resolve-config.js';
import { readRecordIfValid, removeLeftovers } from '../records/record-files.js';
import type { Cell, CellRecord, ChosenRate, FailedRecord } from '../records/record-schema.js';
import type { RunPlan } from '../records/run-folder.js';
import { readPlan, writePlan } from '../records/run-folder.js';
import type { RunCellsOptions } from './run-cells.js';
import { missingCells, runCells } from './run-cells.js';

export interface SearchResult {
  /** By the id of the cell. */
  readonly rates: ReadonlyMap<string, ChosenRate>;
  /** Whether it was stopped before the last trial ended. */
  readonly stopped: boolean;
}

/** The folder of the run that chose the learning rates of another one. */
export const searchFolder = (runDir: string) => join(runDir, 'search');

/** A training that broke off shows that its rate is no good; anything else says nothing about the rate. */
const isResult = (record: CellRecord | undefined) =>
  record !== undefined && (record.status === 'done' || record.error.code === 'TRAINING');

/**
 * Chooses the learning rates of the cells of a run that are not done: runs the trials that are missing, in the folder
 * {@link searchFolder}, and takes the best rate on val of each cell. Nothing to do for a run without a search.
 */
export async function runSearch(
  {
    runDir,
    plan,
    resolved,
  }: { readonly runDir: string; readonly plan: RunPlan; readonly resolved: ResolvedConfig },
  context: DataContext,
  options: Omit<RunCellsOptions, 'expected' | 'rates'> & {
    /** Called once before the first trial, with how many there are to do. */
    started?(trials: number): void;
  },
): Promise<SearchResult> {
  const rates = new Map<string, ChosenRate>();
  const search = searchOf(resolved);
  if (search === undefined) return { rates, stopped: false };
  const folder = searchFolder(runDir);
  const searchPlan: RunPlan = {
    ...plan,
    suite: `${plan.suite}-search`,
    config: search.config,
    cells: planCells(search),
  };
  const before = await readPlan(folder).catch(() => undefined);
  if (canonicalJson(before) !== canonicalJson(searchPlan)) await writePlan(folder, searchPlan);
  await removeLeftovers(folder);
  const cells = (await missingCells(runDir, plan)).map((cell) => ({
    cell,
    trials: trialsOf(cell, searchPlan.cells),
  }));
  const needed = new Set(cells.flatMap(({ trials }) => trials.map(({ id }) => id)));
  const toDo: Cell[] = [];
  for (const trial of searchPlan.cells)
    if (needed.has(trial.id) && !isResult(await readRecordIfValid(folder, trial.id))) toDo.push(trial);
  if (toDo.length > 0) {
    options.started?.(toDo.length);
    const { stopped } = await runCells(folder, { ...searchPlan, cells: toDo }, context, options);
    if (stopped) return { rates, stopped };
  }
  for (const { cell, trials } of cells) {
    const tried = await Promise.all(
      trials.map(async (trial) => ({ trial, record: await readRecordIfValid(folder, trial.id) })),
    );
    rates.set(cell.id, chooseRate(tried));
  }
  return { rates, stopped: false };
}

interface Tried {
  readonly trial: Cell & { readonly learningRate: number };
  readonly record: CellRecord | undefined;
}

/** The rate with the best primary metric on val; of equals the lowest. @param trials by rising rate */
function chooseRate(trials: readonly Tried[]): ChosenRate {
  const lost = trials.find(({ record }) => !isResult(record));
  const done = trials.flatMap(({ record }) => (record?.status === 'done' ? [record.phases[0]!] : []));
  const [first] = done;
  if (lost !== undefined || first === undefined)
    return { error: searchError(lost ?? trials[0], trials.length) };
  const metric = primaryMetric(first.metrics);
  const tried = trials.map(({ trial, record }) => ({
    learningRate: trial.learningRate,
    value: meanOnVal(record, metric.key),
    cell: trial.id,
    error: record?.status === 'failed' ? `${record.error.code}: ${record.error.message}` : null,
  }));
  const sign = metric.direction === 'higher' ? 1 : -1;
  const best = tried
    .filter(({ value }) => value !== null)
    .reduce<(typeof tried)[number] | undefined>(
      (found, one) => (found === undefined || sign * (one.value! - found.value!) > 0 ? one : found),
      undefined,
    );
  if (best === undefined) return { error: searchError(trials[0], trials.length) };
  return {
    phase: first.name,
    split: 'val',
    seed: trials[0]!.trial.seed,
    metric: metric.key,
    examples: first.draws[0]!.evaluations[0]!.examples,
    tried,
    chosen: best.learningRate,
    edge: best === tried[0] ? 'lowest' : best === tried.at(-1) ? 'highest' : null,
  };
}

/** Mean over the draws; null where there is none. */
function meanOnVal(record: CellRecord | undefined, metric: string): number | null {
  if (record?.status !== 'done') return null;
  const values = record.phases[0]!.draws.map(({ evaluations }) => evaluations[0]?.values[metric] ?? null);
  const found = values.filter((value) => value !== null);
  return found.length < values.length ? null : found.reduce((sum, value) => sum + value, 0) / found.length;
}

/** @param tried a trial that gave nothing to choose by; undefined where the cell has none */
function searchError(tried: Tried | undefined, of: number): FailedRecord['error'] {
  const failed =
    tried?.record?.status === 'failed'
      ? `${tried.record.error.code}: ${tried.record.error.message}`
      : 'no score';
  return {
    code: 'SEARCH',
    message: 'The search for its learning rate found none.',
    where: tried === undefined ? null : `search/records/${tried.trial.id}.json`,
    expected: `a score on val at each of ${of} rates, or training that broke off at some`,
    received:
      tried === undefined ? 'no trial that fits the cell' : `${failed}, at ${tried.trial.learningRate}`,
    fix:
      tried === undefined
        ? 'The run was planned by another version: start a new one.'
        : 'Run again with --resume; if every rate fails, try lower ones with --learning-rates.',
  };
}
