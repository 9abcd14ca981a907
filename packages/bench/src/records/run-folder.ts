import { mkdirSync } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { InputError, MissingDataError } from '@kora-bench/core/errors';
import { makeFolder } from '@kora-bench/platform-node/atomic-file';
import { z } from 'zod';
import type { RunConfig } from '../config/run-config.js';
import { runConfigSchema } from '../config/run-config.js';
import { canonicalJson } from '../input/json.js';
import { removeLeftovers } from './record-files.js';
import type { Cell } from './record-schema.js';
import { cellSchema } from './record-schema.js';
import { planPath, readJsonFile, unwritable, writeOutput } from './run-files.js';
import type { LockOptions, RunLease } from './run-lock.js';
import { lockRun } from './run-lock.js';

/**
 * `run.json`: what a run set out to do. Written before the first cell, and again only where a run goes on with other
 * code of its plugins, which makes other cells.
 */
export const runPlanSchema = z.strictObject({
  schemaVersion: z.literal(2),
  suite: z.string(),
  createdAt: z.iso.datetime(),
  config: runConfigSchema,
  cells: z.array(cellSchema),
});
export type RunPlan = z.infer<typeof runPlanSchema>;

/** @throws MissingDataError | FormatError */
export function readPlan(runDir: string): Promise<RunPlan> {
  return readJsonFile(planPath(runDir), runPlanSchema, {
    kind: 'run plan',
    // Without its plan, a run cannot go on.
    fix: 'Start the run again in another folder with --out. What is in records/ and scores/ can be read without run.json.',
  });
}

/** @throws InputError when the folder cannot be written */
export function writePlan(runDir: string, plan: RunPlan): Promise<void> {
  return writeOutput(planPath(runDir), `${JSON.stringify(plan, null, 2)}\n`);
}

/** Where runs go when no folder is named. */
export const runsFolder = 'runs';

/**
 * The folder of a run.
 * @param name a path, or `latest` for the newest run in `runs/`
 * @throws MissingDataError when there is no run
 */
export async function findRun(name: string, cwd = process.cwd()): Promise<string> {
  const path = resolve(cwd, name);
  if (name !== 'latest' || (await changedAt(path)) !== undefined) {
    if ((await changedAt(path)) !== undefined) return path;
    throw new MissingDataError('This is not the folder of a run.', {
      where: path,
      expected: 'a folder with run.json in it, or `latest`',
      received: 'no run.json',
      fix: `Name a run folder; \`run\` puts them into ${runsFolder}/ unless told otherwise.`,
    });
  }
  const folder = resolve(cwd, runsFolder);
  const names = await readdir(folder).catch(() => []);
  const runs = await Promise.all(
    names.map(async (entry) => ({ path: join(folder, entry), time: await changedAt(join(folder, entry)) })),
  );
  const latest = runs
    .flatMap(({ path, time }) => (time === undefined ? [] : [{ path, time }]))
    .toSorted((a, b) => b.time - a.time || (a.path < b.path ? 1 : -1))[0];
  if (latest !== undefined) return latest.path;
  throw new MissingDataError('There is no run yet.', {
    where: folder,
    expected: 'at least one run folder',
    received: 'none',
    fix: 'Start one with `run`, or name the folder of a run that is elsewhere.',
  });
}

/** What the names of runs begin with: the local time to the second. */
export function timeName(now = new Date()): string {
  const two = (value: number) => String(value).padStart(2, '0');
  const day = [now.getFullYear(), two(now.getMonth() + 1), two(now.getDate())].join('-');
  return `${day}-${[now.getHours(), now.getMinutes(), now.getSeconds()].map(two).join('')}`;
}

async function changedAt(runDir: string): Promise<number | undefined> {
  return stat(planPath(runDir)).then(
    ({ mtimeMs }) => mtimeMs,
    () => undefined,
  );
}

/**
 * Makes a folder for a run, `runs/<time>-<suite>` with the local time to the second. Where another run began in the
 * same second it gets a number: of two processes, only one can make a folder.
 * @throws InputError when it cannot be made
 */
export function makeRunFolder(suite: string, now = new Date(), cwd = process.cwd()): string {
  const first = join(resolve(cwd, runsFolder), `${timeName(now)}-${suite}`);
  for (let number = 1; ; number++) {
    const path = number === 1 ? first : `${first}-${number}`;
    try {
      makeFolder(dirname(path));
      mkdirSync(path);
      return path;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw unwritable(path, error);
    }
  }
}

/**
 * Makes the folder of a new run, takes it and writes its plan.
 * @throws InputError when it is in use, holds something already or cannot be written
 */
export async function createRun(runDir: string, plan: RunPlan, options?: LockOptions): Promise<RunLease> {
  const entries = await openFolder(runDir);
  const lease = await lockRun(runDir, options);
  try {
    const others = entries.filter((name) => !name.startsWith('.lock'));
    if (others.length > 0) {
      const isRun = others.includes('run.json');
      throw new InputError(isRun ? 'The folder holds a run already.' : 'The output folder is not empty.', {
        where: runDir,
        expected: 'a folder that is new or empty',
        received: others.slice(0, 5).join(', '),
        fix: isRun
          ? 'Continue it with --resume, or choose another folder with --out.'
          : 'Choose another folder with --out.',
      });
    }
    await writePlan(runDir, plan);
    return lease;
  } catch (error) {
    await lease.release();
    throw error;
  }
}

/** An earlier run that goes on. */
export interface ContinuedRun {
  readonly plan: RunPlan;
  /** Its cells as they were planned before, one for each of the plan's. */
  readonly cellsBefore: readonly Cell[];
  readonly lease: RunLease;
}

/**
 * Takes the folder of an earlier run and clears away what its interruption left.
 * @param asked what this run asks for; undefined takes whatever the earlier one did
 * @param replan gives the earlier run's cells as they are planned today; where they differ, `run.json` is replaced
 * @throws InputError when it is in use, or was made with another configuration
 */
export async function continueRun(
  runDir: string,
  asked: RunConfig | undefined,
  {
    replan = ({ cells }) => cells,
    keepWeights = false,
    ...options
  }: LockOptions & {
    readonly replan?: (plan: RunPlan) => readonly Cell[];
    /** Also keep trained weights from now on. */
    readonly keepWeights?: boolean;
  } = {},
): Promise<ContinuedRun> {
  checkSameConfig(runDir, await readPlan(runDir), asked);
  const lease = await lockRun(runDir, options);
  try {
    // Read again: until the lock was taken, another process may have gone on with the run.
    const before = await readPlan(runDir);
    const config = keepWeights ? { ...before.config, keepWeights } : before.config;
    const plan: RunPlan = { ...before, config, cells: [...replan(before)] };
    if (canonicalJson(plan) !== canonicalJson(before)) await writePlan(runDir, plan);
    await removeLeftovers(runDir);
    return { plan, cellsBefore: before.cells, lease };
  } catch (error) {
    await lease.release();
    throw error;
  }
}

/** @throws InputError when a run was made with another configuration */
function checkSameConfig(runDir: string, plan: RunPlan, config: RunConfig | undefined): void {
  if (config !== undefined) {
    const differences = changedFields(plan.config, config);
    if (differences.length > 0) {
      const [first] = differences;
      throw new InputError('The run was made with another configuration.', {
        where: `${differences.map(({ field }) => field).join(', ')} in ${runDir}`,
        expected: `${first!.field} = ${first!.before}`,
        received: `${first!.field} = ${first!.now}`,
        fix: 'Resume without flags that change the configuration, or start a new run with another --out.',
      });
    }
  }
}

async function openFolder(runDir: string): Promise<string[]> {
  try {
    makeFolder(runDir);
    return await readdir(runDir);
  } catch (error) {
    throw unwritable(runDir, error);
  }
}

const withoutEffect: ReadonlySet<keyof RunConfig> = new Set([
  'description',
  '$schema',
  'ratesChosenFor',
  'keepWeights',
  'published',
]);

/** The fields in which two configurations differ, apart from what has no effect on numbers. */
function changedFields(before: RunConfig, now: RunConfig) {
  const text = (value: unknown) => (value === undefined ? 'nothing' : canonicalJson(value));
  const fields = new Set([...Object.keys(before), ...Object.keys(now)]) as Set<keyof RunConfig>;
  return [...fields]
    .filter((field) => !withoutEffect.has(field))
    .filter((field) => text(before[field]) !== text(now[field]))
    .map((field) => ({ field, before: text(before[field]), now: text(now[field]) }));
}
