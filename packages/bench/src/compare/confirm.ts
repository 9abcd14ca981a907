import { confirmed } from '@kora-bench/comparison';
import type { DataContext } from '@kora-bench/core/data';
import { describeCode } from '../cell/environment.js';
import type { ComparedCell } from '../measures/compared-cell.js';
import { cellEntry, runCells } from '../orchestrator/run-cells.js';
import type { ProgressView } from '../progress/views.js';
import type { DoneRecord } from '../records/record-schema.js';
import type { RunPlan } from '../records/run-folder.js';
import { createRun, readPlan } from '../records/run-folder.js';
import { loadRegistry } from '../registry/registry.js';
import { plural } from '../table/text-table.js';
import type { CompareOptions } from './compare-runs.js';
import { compareRuns } from './compare-runs.js';
import type { RunComparison } from './run-comparison.js';
import type { ComparedSide } from './sources.js';
import { readSide } from './sources.js';

export interface ConfirmSettings {
  readonly base: ComparedSide;
  readonly head: ComparedSide;
  /** What they gave when compared. */
  readonly comparison: RunComparison;
  readonly options: CompareOptions;
  readonly ignored: ReadonlySet<string>;
  readonly context: DataContext;
  readonly view: ProgressView;
  readonly stop?: AbortSignal;
  readonly entry?: string | URL;
  /** The code at hand; by default what runs now. */
  readonly code?: Pick<DoneRecord['code'], 'commit' | 'dirty'>;
}

export interface Confirmation {
  readonly comparison: RunComparison;
  /** What was run again, or why nothing was; null where nothing needed it. */
  readonly message: string | null;
}

/**
 * Runs the head's cells again that have something worse, into a folder beside the head's, and compares that with the
 * base: only what is worse again stays so. A rerun needs the code that made the head.
 */
export async function confirmWorse(settings: ConfirmSettings): Promise<Confirmation> {
  const { base, head, comparison, options, ignored, context, view, stop, entry = cellEntry } = settings;
  const suspects = new Set(
    comparison.rows
      .filter(({ verdict, unconfirmed }) => verdict === 'worse' || unconfirmed === 'worse')
      .map(({ configuration }) => configuration),
  );
  if (suspects.size === 0) return { comparison, message: null };
  const cells = head.cells.filter(
    ({ configuration, source }) => suspects.has(configuration) && source !== null,
  );
  const code = settings.code ?? (await describeCode(await loadRegistry()));
  const obstacle = whyNoRerun(head, cells, code);
  if (obstacle !== null) return { comparison, message: `Nothing was run again: ${obstacle}.` };
  const plan = await readPlan(head.runDir!);
  const ids = new Set(cells.map(({ source }) => source!.record.cell.id));
  const runDir = `${head.runDir!}-rerun-${new Date().toISOString().replace(/[:.]/g, '-')}`;
  const again: RunPlan = {
    ...plan,
    config: { ...plan.config, keepWeights: false },
    createdAt: new Date().toISOString(),
    cells: plan.cells.filter(({ id }) => ids.has(id)),
  };
  const lease = await createRun(runDir, again);
  try {
    const { stopped } = await runCells(runDir, again, context, { view, entry, ...(stop && { stop }) });
    if (stopped) return { comparison, message: `The rerun in ${runDir} was stopped; nothing is confirmed.` };
  } finally {
    await lease.release();
  }
  const second = await compareRuns(base, await readSide(runDir, { ignored }), options);
  return {
    comparison: merged(comparison, second),
    message: `Run again for confirmation: ${plural(again.cells.length, 'cell')}, in ${runDir}.`,
  };
}

/** Null where the head's cells can be run again by the code at hand. */
function whyNoRerun(
  head: ComparedSide,
  cells: readonly ComparedCell[],
  { commit, dirty }: Pick<DoneRecord['code'], 'commit' | 'dirty'>,
): string | null {
  if (head.runDir === null || cells.length === 0) return 'the head is not a run folder';
  for (const cell of cells) {
    if (cell.failure !== null) continue;
    if (cell.commit === null || commit === null) return 'it is not known which commit made the head';
    if (cell.commit !== commit)
      return `the head was made by commit ${cell.commit.slice(0, 10)}, and this is ${commit.slice(0, 10)}`;
    if (cell.dirty || dirty) return 'there are changes that are not committed, so the code may be another';
  }
  return null;
}

/** The first comparison, with what the second one says of all that was worse. */
export function merged(first: RunComparison, second: RunComparison): RunComparison {
  const rows = first.rows.map((row) => {
    const again = second.rows.find(
      ({ configuration, measure }) => configuration === row.configuration && measure.key === row.measure.key,
    );
    const suspected = row.unconfirmed ?? row.verdict;
    if (suspected !== 'worse' || again === undefined) return row;
    const verdict = confirmed(suspected, again.unconfirmed ?? again.verdict);
    return {
      ...row,
      verdict,
      unconfirmed: null,
      note: verdict === 'worse' ? 'A rerun shows it again.' : 'A rerun did not show it again.',
    };
  });
  return {
    ...first,
    rows,
    failed: rows.some(({ verdict, measure }) => verdict === 'worse' && measure.gating),
  };
}
