import { compareRuns } from '../compare/compare-runs.js';
import type { RunComparison } from '../compare/run-comparison.js';
import { cellOfEntry, noiseOfHistory } from '../history/history-cells.js';
import type { StoredSeries } from '../history/history-files.js';
import type { EntryLine } from '../history/history-schema.js';
import type { ComparedCell } from '../measures/compared-cell.js';
import type { Testbed } from '../measures/testbed.js';
import type { SiteContent } from './site-content.js';
import { cellsOfRuns, seriesKeyOf } from './site-content.js';

/** What came of one machine's newest results. */
export interface MachineChanges {
  readonly testbed: Testbed;
  /** Newest results against those before them. */
  readonly comparison: RunComparison;
  readonly base: ResultsSpan;
  readonly head: ResultsSpan;
  /** Series whose newest results are their first ones. */
  readonly fresh: readonly string[];
}

/** What a side's results are of. */
export interface ResultsSpan {
  readonly commits: readonly (string | null)[];
  /** Of the newest. */
  readonly date: string;
  readonly dirty: boolean;
}

interface Newest {
  readonly head: readonly ComparedCell[];
  readonly base: readonly ComparedCell[];
  /** The series as it was before its newest results, for its noise. */
  readonly before: StoredSeries | null;
}

/**
 * What changed since last time: of each series the newest commit's results against those of the commit before. Series of a
 * history; without one, of the runs.
 */
export async function newestChanges(content: SiteContent): Promise<MachineChanges[]> {
  const cells = cellsOfRuns(content.runs);
  const series =
    content.series.length > 0 ? content.series.map((one) => newestOfSeries(one, cells)) : newestOfRuns(cells);
  const testbeds = new Map<string, Testbed>();
  for (const { head } of series) if (head[0]?.testbed) testbeds.set(head[0].testbed.id, head[0].testbed);
  const changes: MachineChanges[] = [];
  for (const testbed of testbeds.values()) {
    const own = series.filter(({ head }) => head[0]?.testbed?.id === testbed.id);
    const compared = own.filter(({ base }) => base.length > 0);
    const [base, head] = [compared.flatMap((one) => one.base), compared.flatMap((one) => one.head)];
    const noiseOf = noiseOfHistory({ series: own.flatMap(({ before }) => before ?? []) });
    const side = (name: string, of: readonly ComparedCell[]) => ({
      name,
      runDir: null,
      cells: of,
      problems: [],
    });
    changes.push({
      testbed,
      comparison: await compareRuns(side('before', base), side('now', head), { noiseOf }),
      base: spanOf(base),
      head: spanOf(head.length > 0 ? head : own.flatMap((one) => one.head)),
      fresh: own.filter((one) => one.base.length === 0).flatMap((one) => one.head[0]?.name ?? []),
    });
  }
  return changes;
}

function spanOf(cells: readonly ComparedCell[]): ResultsSpan {
  return {
    commits: [...new Set(cells.map(({ commit }) => commit))],
    date:
      cells
        .map(({ startedAt }) => startedAt)
        .toSorted()
        .at(-1) ?? '',
    dirty: cells.some(({ dirty }) => dirty === true),
  };
}

/** What belongs together: a commit's results; without a commit, or with changes beyond it, a run's. */
function sourceOf({ commit, dirty, run }: Pick<EntryLine, 'commit' | 'dirty' | 'run'>): string {
  return commit !== null && dirty !== true ? commit : `${commit} ${run}`;
}

/** @param cells of runs: where they are the same results, their scores can be paired */
function newestOfSeries(series: StoredSeries, cells: readonly ComparedCell[]): Newest {
  const { definition, entries } = series;
  const newest = entries.at(-1);
  if (newest === undefined) return { head: [], base: [], before: null };
  const ofHead = entries.filter((entry) => sourceOf(entry) === sourceOf(newest));
  const earlier = entries.filter((entry) => !ofHead.includes(entry));
  const last = earlier.at(-1);
  const ofBase = last === undefined ? [] : earlier.filter((entry) => sourceOf(entry) === sourceOf(last));
  const ofCells = (own: readonly EntryLine[]) => {
    const bySeed = new Map(own.map((entry) => [entry.seed, entry]));
    return [...bySeed.values()].map(
      (entry) =>
        cells.find(
          (cell) =>
            seriesKeyOf(cell) === seriesKeyOf(definition) &&
            cell.seed === entry.seed &&
            cell.startedAt === entry.date,
        ) ?? cellOfEntry(definition, entry),
    );
  };
  return { head: ofCells(ofHead), base: ofCells(ofBase), before: { ...series, entries: earlier } };
}

/** Runs in order of time are a history, too, if a short one. */
function newestOfRuns(cells: readonly ComparedCell[]): Newest[] {
  const groups = new Map<string, ComparedCell[]>();
  for (const cell of cells) {
    if (cell.testbed === null) continue;
    const group = groups.get(seriesKeyOf(cell));
    if (group === undefined) groups.set(seriesKeyOf(cell), [cell]);
    else group.push(cell);
  }
  return [...groups.values()].map((own) => {
    const bySeed = new Map<number, ComparedCell[]>();
    for (const cell of own) bySeed.set(cell.seed, [...(bySeed.get(cell.seed) ?? []), cell]);
    const sorted = [...bySeed.values()].map((group) =>
      group.toSorted((a, b) => (a.startedAt < b.startedAt ? -1 : 1)),
    );
    return {
      head: sorted.flatMap((group) => group.at(-1) ?? []),
      base: sorted.flatMap((group) => group.at(-2) ?? []),
      before: null,
    };
  });
}
