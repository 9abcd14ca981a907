import { readdir, stat } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { FormatError, InputError, KoraError, MissingDataError } from '@kora-bench/core/errors';
import { damageText } from '../history/history-cells.js';
import type { StoredSeries } from '../history/history-files.js';
import { readHistory } from '../history/history-files.js';
import type { ComparedCell } from '../measures/compared-cell.js';
import { comparedCell } from '../measures/compared-cell.js';
import type { RunMethodComparisons } from '../method-comparison/compare-methods.js';
import { compareMethods } from '../method-comparison/compare-methods.js';
import { readRecord } from '../records/record-files.js';
import type { CellRecord } from '../records/record-schema.js';
import { lockPath, planPath } from '../records/run-files.js';
import type { RunPlan } from '../records/run-folder.js';
import { findRun, readPlan, runsFolder } from '../records/run-folder.js';
import { leaseMs } from '../records/run-lock.js';
import { slug } from '../report/html.js';

/** A run as far as its folder tells it. */
export interface SiteRun {
  /** Unique in the site, for addresses. */
  readonly id: string;
  /** Of its folder. */
  readonly name: string;
  readonly runDir: string;
  readonly plan: RunPlan;
  /** In the plan's order; those of cells that are not done yet are absent. */
  readonly records: readonly CellRecord[];
  readonly methods: RunMethodComparisons;
  /** Whether a process has the folder. */
  readonly running: boolean;
}

/** All that a site is made from. */
export interface SiteContent {
  readonly series: readonly StoredSeries[];
  /** Whether a history was named, empty or not. */
  readonly hasHistory: boolean;
  /** The newest last. */
  readonly runs: readonly SiteRun[];
  /** What could not be read, in words. */
  readonly problems: readonly string[];
}

/** A folder that a site is made from. */
export interface SiteSource {
  readonly kind: 'history' | 'run';
  readonly path: string;
}

const exists = (path: string) =>
  stat(path).then(
    () => true,
    () => false,
  );

/**
 * Finds out what the folders are that a reader has named: histories and runs.
 * @param names paths, or `latest` for the newest run; none takes `history` and `latest`, where they are there
 * @throws MissingDataError for a folder that is neither, and where there is nothing at all
 * @throws InputError for several histories
 */
export async function findSources(names: readonly string[], cwd = process.cwd()): Promise<SiteSource[]> {
  if (names.length > 0) {
    const sources = await Promise.all(names.map((name) => sourceOf(name, cwd)));
    const histories = sources.filter(({ kind }) => kind === 'history');
    if (histories.length <= 1) return sources;
    throw new InputError('There are several histories.', {
      where: 'the command’s arguments',
      expected: 'one history, and as many runs as you like',
      received: histories.map(({ path }) => path).join(', '),
      fix: 'Make one of them: copy the files of one into the other, folder by folder.',
    });
  }
  const history = resolve(cwd, 'history');
  const found: SiteSource[] = (await isHistory(history)) ? [{ kind: 'history', path: history }] : [];
  const run = await findRun('latest', cwd).catch(() => undefined);
  if (run !== undefined) found.push({ kind: 'run', path: run });
  if (found.length > 0) return found;
  throw new MissingDataError('There is nothing to show.', {
    where: resolve(cwd),
    expected: `a folder history, or runs in ${runsFolder}/`,
    received: 'neither',
    fix: 'Start a run with `run`, or name the folder of a run or a history.',
  });
}

async function sourceOf(name: string, cwd: string): Promise<SiteSource> {
  const path = resolve(cwd, name);
  if (name === 'latest' && !(await exists(path))) return { kind: 'run', path: await findRun('latest', cwd) };
  if (await exists(planPath(path))) return { kind: 'run', path };
  if (await isHistory(path)) return { kind: 'history', path };
  throw new MissingDataError('This is neither a run nor a history.', {
    where: path,
    expected:
      'a folder with run.json, or a history: a folder for each machine with files that end with .jsonl',
    received: (await exists(path)) ? 'neither of them' : 'no such folder',
    fix: 'Name a run folder, or a history that `history add RUN` has made.',
  });
}

/** What `history add` makes; one that was emptied since is one, too. */
async function isHistory(path: string): Promise<boolean> {
  const entries = await readdir(path, { withFileTypes: true }).catch(() => []);
  if (entries.some(({ name }) => name === '.gitattributes')) return true;
  for (const entry of entries) {
    if (!entry.isDirectory()) continue;
    const files = await readdir(join(path, entry.name)).catch(() => []);
    if (files.some((file) => file.endsWith('.jsonl'))) return true;
  }
  return false;
}

/**
 * Reads what a site shows. Damage is reported on the site, and the rest is shown.
 * @throws KoraError where nothing of it can be read
 */
export async function readContent(sources: readonly SiteSource[]): Promise<SiteContent> {
  const series: StoredSeries[] = [];
  const runs: SiteRun[] = [];
  const problems: string[] = [];
  let first: KoraError | undefined;
  let read = 0;
  for (const { kind, path } of sources) {
    try {
      if (kind === 'history') {
        const history = await readHistory(path);
        series.push(...history.series);
        problems.push(...history.damaged.map((one) => `${basename(path)}/${damageText(one)}`));
      } else {
        const found = await readRun(path, new Set(runs.map(({ id }) => id)));
        runs.push(found.run);
        problems.push(...found.problems);
      }
      read++;
    } catch (error) {
      if (!(error instanceof KoraError)) throw error;
      first ??= error;
      problems.push(`${basename(path)}: ${error.message} ${error.received ?? ''}`.trim());
    }
  }
  if (read === 0 && first !== undefined) throw first;
  return {
    series,
    hasHistory: sources.some(({ kind }) => kind === 'history'),
    runs: runs.toSorted((a, b) => (a.plan.createdAt < b.plan.createdAt ? -1 : 1)),
    problems,
  };
}

async function readRun(
  runDir: string,
  taken: ReadonlySet<string>,
): Promise<{ readonly run: SiteRun; readonly problems: readonly string[] }> {
  const plan = await readPlan(runDir);
  const name = basename(runDir);
  const records: CellRecord[] = [];
  const problems: string[] = [];
  let first: FormatError | undefined;
  for (const { id } of plan.cells) {
    try {
      records.push(await readRecord(runDir, id));
    } catch (error) {
      if (error instanceof MissingDataError) continue;
      if (!(error instanceof FormatError)) throw error;
      first ??= error;
      problems.push(`${name}, ${id}: ${error.message} ${error.received ?? ''}`.trim());
    }
  }
  if (records.length === 0 && first !== undefined) throw first;
  const base = slug(name) || 'run';
  let id = base;
  for (let number = 2; taken.has(id); number++) id = `${base}-${number}`;
  return {
    run: {
      id,
      name,
      runDir,
      plan,
      records,
      methods: await compareMethods(runDir, records),
      running: await isRunning(runDir),
    },
    problems,
  };
}

/** Whether its process has given a sign of life lately. */
async function isRunning(runDir: string): Promise<boolean> {
  const lock = await stat(lockPath(runDir)).catch(() => undefined);
  return lock !== undefined && Date.now() - lock.mtimeMs < leaseMs;
}

/** The cells of all runs as they are compared. */
export function cellsOfRuns(runs: readonly SiteRun[]): ComparedCell[] {
  return runs.flatMap(({ records, runDir }) => records.map((record) => comparedCell(record, runDir)));
}

/** What the numbers of a cell are the same for: its settings and the machine. */
export function seriesKeyOf({
  configuration,
  testbed,
}: Pick<ComparedCell, 'configuration' | 'testbed'>): string {
  return `${configuration} ${testbed?.id ?? ''}`;
}
