import { basename } from 'node:path';
import type { DataContext } from '@kora-bench/core/data';
import { InputError } from '@kora-bench/core/errors';
import { primaryMetric } from '@kora-bench/core/training';
import type { ReportProgress } from '@kora-bench/trainer';
import { describeCode, describeMachine } from '../cell/environment.js';
import type { ChosenTrained } from '../export/open-trained-cell.js';
import { chooseTrained } from '../export/open-trained-cell.js';
import { readRecords } from '../records/record-files.js';
import type { Cell, DoneRecord } from '../records/record-schema.js';
import { cellName } from '../records/record-schema.js';
import { readPlan } from '../records/run-folder.js';
import { loadRegistry } from '../registry/registry.js';
import { plural } from '../table/text-table.js';
import type { CodedForm, Compressibility } from './compressibility-schema.js';
import type { ScoredCell } from './judge-forms.js';
import { judgeForms } from './judge-forms.js';
import type { ScoredExamples } from './open-cell.js';
import { openCell, readEvaluation } from './open-cell.js';
import { codecUsed, scoreForms } from './score-forms.js';

export interface CompressOptions {
  /** Ids of cells or their beginnings, or labels with all their seeds; all cells that are done by default. */
  readonly cells?: readonly string[];
  /** The first phase that is scored by default. */
  readonly phase?: string;
  /** Score at most so many examples, spread evenly; all that the phase scored by default. */
  readonly examples?: number;
  /** Points of a share, percent of any other metric, that count as equal; 1 by default. */
  readonly tolerance?: number;
  /** Ends the work between two forms. */
  readonly stop?: AbortSignal;
  readonly view?: CompressView;
}

/** Called as the work goes on. */
export interface CompressView {
  cellStarted(name: string, number: number, of: number): void;
  formDone(name: string, form: CodedForm): void;
  readonly report: ReportProgress;
}

const silent: CompressView = {
  cellStarted: () => undefined,
  formDone: () => undefined,
  report: () => undefined,
};

/**
 * Measures how few bytes hold what the cells of a run trained: every form is written as bytes, read back and scored on the
 * examples of its phase. All cells are checked before the first one is opened.
 * @throws InputError for a cell or phase that is not there, weights that were not kept, cells that were scored on different
 *   things, and data or a checkpoint that are other than they were
 * @throws MissingDataError | FormatError for files of the run that are missing or damaged
 */
export async function compressRun(
  runDir: string,
  context: DataContext,
  options: CompressOptions = {},
): Promise<Compressibility> {
  const { tolerance = 1, view = silent, stop = new AbortController().signal } = options;
  const plan = await readPlan(runDir);
  const chosen = await chooseCells(runDir, plan.cells, options);
  const { phase, evaluation } = requireSameScoring(chosen);
  const severalModels = new Set(chosen.map(({ cell }) => cell.model)).size > 1;
  const cells: ScoredCell[] = [];
  let examples: ScoredExamples | undefined;
  for (const [i, one] of chosen.entries()) {
    stop.throwIfAborted();
    const name = cellName(one.cell, severalModels);
    view.cellStarted(name, i + 1, chosen.length);
    const { examples: most } = options;
    const opened = await openCell(runDir, one, {
      ...{ dataDir: context.dataDir, cacheDir: context.cacheDir, report: view.report },
      ...(most !== undefined && { examples: most }),
    });
    try {
      examples ??= opened.examples;
      cells.push(await scoreForms(opened, { stop, told: (form) => view.formDone(name, form) }));
    } finally {
      await opened.close();
    }
  }
  const metric = primaryMetric(phase.metrics);
  return {
    schemaVersion: 1,
    kind: 'compressibility',
    run: { name: basename(runDir), suite: plan.suite, createdAt: plan.createdAt },
    code: await describeCode(await loadRegistry(plan.config.plugins)),
    machine: describeMachine(),
    codec: codecUsed,
    phase: phase.name,
    evaluation: {
      name: evaluation.name,
      split: evaluation.split,
      examples: examples!.split.length,
      of: examples!.of,
    },
    metric,
    ...judgeForms(cells, { metric, tolerance, examples: examples!.split.length }),
    noResidual: cells.every(({ nothing }) => nothing.residualBytes === null)
      ? `The task ${phase.task.name} does not predict one class per example, so its predictions give no code for the targets.`
      : null,
  };
}

/** The cells that are asked for, or all that are done. @throws InputError where one cannot be opened */
async function chooseCells(
  runDir: string,
  cells: readonly Cell[],
  { cells: asked = [], phase, view: { report } = silent }: CompressOptions,
): Promise<ChosenTrained[]> {
  const idsOf = (name: string) => {
    const labelled = cells.filter(({ label }) => label === name).map(({ id }) => id);
    return labelled.length > 0 ? labelled : [name];
  };
  const names =
    asked.length > 0
      ? asked.flatMap(idsOf)
      : (await doneCells(runDir, cells, report)).map(({ cell }) => cell.id);
  const found: ChosenTrained[] = [];
  for (const name of names) {
    const first = await chooseTrained(runDir, { cell: name, ...(phase !== undefined && { phase }) });
    const scored = first.record.phases.find(({ draws }) => draws[0]!.evaluations.length > 0);
    const one =
      phase !== undefined || scored === undefined || scored.name === first.phase
        ? first
        : await chooseTrained(runDir, { cell: name, phase: scored.name });
    if (!found.some(({ cell }) => cell.id === one.cell.id)) found.push(one);
  }
  return found;
}

async function doneCells(
  runDir: string,
  cells: readonly Cell[],
  report: ReportProgress,
): Promise<DoneRecord[]> {
  const records = await readRecords(
    runDir,
    cells.map(({ id }) => id),
  );
  const done = records.filter((record): record is DoneRecord => record.status === 'done');
  const left = cells.length - done.length;
  if (done.length > 0) {
    if (left > 0)
      report({ kind: 'message', text: `Left out: ${plural(left, 'cell')} that failed or are not done.` });
    return done;
  }
  throw new InputError('The run has no cell that is done.', {
    where: runDir,
    expected: 'at least one trained model',
    received: records.length === 0 ? 'no record yet' : `${plural(records.length, 'cell')}, none done`,
    fix: `Run it again with --resume --keep-weights --out ${runDir}.`,
  });
}

/** @throws InputError where cells are not scored, or not on the same things */
function requireSameScoring(chosen: readonly ChosenTrained[]): ReturnType<typeof readEvaluation> {
  const [first, ...others] = chosen.map((one) => ({ one, ...readEvaluation(one) }));
  const facts = ({ phase, evaluation }: NonNullable<typeof first>) =>
    JSON.stringify([
      phase.name,
      phase.task,
      phase.data.dataset,
      phase.data.splits,
      evaluation.name,
      evaluation.examples,
    ]);
  const other = others.find((one) => facts(one) !== facts(first!));
  if (other === undefined) return first!;
  throw new InputError('The cells were not scored on the same examples.', {
    where: other.one.cell.id,
    expected: `${first!.evaluation.examples} examples of ${first!.phase.data.dataset}, as ${first!.one.cell.id}`,
    received: `${other.evaluation.examples} of ${other.phase.data.dataset}`,
    fix: 'Name cells that were scored on the same examples.',
  });
}
