import type { DataContext, ImageDataset, ImageSplit } from '@kora-bench/core/data';
import { InputError } from '@kora-bench/core/errors';
import type { ProtocolDraw, Task } from '@kora-bench/core/training';
import { primaryMetric } from '@kora-bench/core/training';
import { evenSubset } from '@kora-bench/datasets';
import type { EvaluateSpec, ReportProgress, TrainerContext } from '@kora-bench/trainer';
import { finalStage } from '@kora-bench/trainer';
import { cellFeatures } from '../cell/cell-features.js';
import type { ChosenTrained, TrainedModel } from '../export/open-trained-cell.js';
import { openTrainedModel } from '../export/open-trained-cell.js';
import { findRegistered } from '../input/check-input.js';
import { openDatasets, planPhase } from '../phases/plan-phases.js';
import { evaluationsOf } from '../phases/planned-evaluations.js';
import { resolvePhases } from '../phases/resolve-phases.js';
import type { EvaluationRecord, PhaseRecord } from '../records/phase-record-schema.js';
import { loadRegistry } from '../registry/registry.js';
import type { TrainedUpdate } from './trained-update.js';
import { trainedUpdate } from './trained-update.js';

/** What forms are scored on. */
export interface ScoredExamples {
  readonly name: string;
  readonly split: ImageSplit;
  /** Examples that the phase scored. */
  readonly of: number;
  /** The metric in the record; null where these are not the examples that it is of. */
  readonly recorded: number | null;
}

/** A trained cell with all that scoring it again needs. */
export interface TrainedCell {
  readonly trained: TrainedModel;
  readonly update: TrainedUpdate;
  readonly context: TrainerContext;
  readonly spec: EvaluateSpec;
  readonly examples: ScoredExamples;
  readonly task: Task;
  /** Gives the engine back. */
  close(): Promise<void>;
}

export interface OpenCellSettings extends DataContext {
  /** Score at most so many of the examples, spread evenly. */
  readonly examples?: number;
  readonly report: ReportProgress;
}

/** The evaluation that a phase is read by: its first one. @throws InputError for a phase that is not scored */
export function readEvaluation({ record, phase: name }: ChosenTrained): {
  readonly phase: PhaseRecord;
  readonly evaluation: EvaluationRecord;
} {
  const phase = record.phases.find((one) => one.name === name)!;
  const [evaluation] = phase.draws[0]!.evaluations;
  if (evaluation !== undefined) return { phase, evaluation };
  const scored = record.phases.filter(({ draws }) => draws[0]!.evaluations.length > 0);
  throw new InputError(
    `The phase ${name} is not scored: there is nothing to measure what compression costs.`,
    {
      where: '--phase',
      expected: scored.length === 0 ? 'a phase that is scored' : scored.map((one) => one.name).join(' or '),
      received: name,
      fix: scored.length === 0 ? 'Run a suite that scores a phase.' : `Use --phase ${scored[0]!.name}.`,
    },
  );
}

/**
 * Opens what a cell trained, the examples that its phase was scored on, and the engine that scored it.
 * @throws InputError for data that is other than the cell was scored on
 * @throws MissingDataError | FormatError | CheckpointError | BackendError
 */
export async function openCell(
  runDir: string,
  chosen: ChosenTrained,
  { dataDir, cacheDir, examples: most, report }: OpenCellSettings,
): Promise<TrainedCell> {
  const folders = { dataDir, cacheDir };
  const { record, cell } = chosen;
  const { config } = record;
  const { phase: phaseRecord, evaluation } = readEvaluation(chosen);
  const trained = await openTrainedModel(runDir, { cell: cell.id, phase: chosen.phase }, folders);
  const { model, method, preprocessing } = trained;
  const registry = await loadRegistry(config.plugins);
  const phases = await resolvePhases(config, registry);
  const phase = phases.find((one) => one.config.name === chosen.phase)!;
  const datasets = await openDatasets([phase], folders);
  const dataset = datasets.get(phase.config.data)!;
  requireSameData(phaseRecord, dataset);
  const planned = planPhase(phase, dataset, {
    ...{ config, learningRate: cell.learningRate!, seed: cell.seed },
    ...{ preprocessing, method, model },
  });
  const [draw] = planned.draws;
  const task = planned.taskFor(draw.train);
  const found = evaluationsOf(planned, draw)
    .flat()
    .find(({ name }) => name === evaluation.name)!;
  const split = most === undefined ? found.split : evenSubset(found.split, most);
  const key = primaryMetric(phaseRecord.metrics).key;
  const examples: ScoredExamples = {
    ...{ name: found.name, split, of: found.split.length },
    recorded: split.length === found.split.length ? (evaluation.values[key] ?? null) : null,
  };
  const definition = findRegistered(registry.backends, 'backend', cell.backend, 'cell.backend');
  const backend = await definition.create(cell.device, definition.options.parse(cell.backendOptions));
  const update = await trainedUpdate(trained, task);
  const features = cellFeatures(cell, { config, registry, cacheDir, report });
  const context: TrainerContext = { backend, model, method, seed: cell.seed, features, report };
  return {
    ...{ trained, update, context, examples, task },
    spec: specOf(phase.label, draw, { task, stage: finalStage(method) }),
    close: () => backend.dispose(),
  };
}

function specOf(
  label: string,
  { preprocessing, training: { batchSize } }: ProtocolDraw,
  { task, stage }: { readonly task: Task; readonly stage: string },
): EvaluateSpec {
  return { name: `${label}/compress`, task, stage, preprocessing, batchSize };
}

/** @throws InputError where a split is not the one that the record names */
function requireSameData({ data }: PhaseRecord, { name, train, val, test }: ImageDataset): void {
  for (const split of [train, val, test]) {
    const recorded = split && data.splits[split.split];
    if (split === undefined || recorded?.fingerprint === split.fingerprint) continue;
    throw new InputError(`The data is other than the cell was trained and scored on.`, {
      where: `${name}, ${split.split}`,
      expected: `${recorded?.examples ?? 'no'} examples with the fingerprint ${recorded?.fingerprint ?? 'of none'}`,
      received: `${split.length} examples with ${split.fingerprint}`,
      fix: 'Put the data of then back, or set KORA_DATA_DIR to the folder that has it; else run the suite again.',
    });
  }
}
