import type { ImageSplit } from '@kora-bench/core/data';
import { InternalError } from '@kora-bench/core/errors';
import type { Weights } from '@kora-bench/core/graph';
import type { Checkpoint } from '@kora-bench/core/nn';
import type { Metric, ProtocolDraw, Task } from '@kora-bench/core/training';
import type {
  Evaluation,
  PredictedBatch,
  ReportProgress,
  TrainerContext,
  TrainResult,
} from '@kora-bench/trainer';
import {
  evaluate,
  finalStage,
  initializeMethod,
  siteInputsOf,
  trainedWeights,
  trainMethod,
  WeightStore,
} from '@kora-bench/trainer';
import type { AdapterStart } from '../adapter-start/start-from-adapter.js';
import { startFromAdapter } from '../adapter-start/start-from-adapter.js';
import type { FindingLog } from '../audits/data-audit.js';
import {
  auditEvaluationLabels,
  auditLeakage,
  auditPreprocessing,
  auditSingleClass,
  auditTrainingLabels,
} from '../audits/data-audit.js';
import { auditStart } from '../audits/method-audit.js';
import { TrainingAudit } from '../audits/training-audit.js';
import { contentHashes } from '../cache/content-hashes.js';
import { nameAndOptions } from '../config/run-config.js';
import type { TrainedInPhase } from '../records/kept-weights.js';
import type { PredictedMaps } from '../records/map-files.js';
import type {
  EvaluationRecord,
  KeptWeights,
  PhaseRecord,
  RecordedMetric,
  TrainingResult,
} from '../records/record-schema.js';
import { metricsOfPhase, withForgetting } from './forgetting.js';
import { KeptMaps } from './kept-maps.js';
import type { PlannedPhase } from './plan-phases.js';

/** What all phases and analyses of one cell share. */
export interface CellContext extends TrainerContext {
  readonly checkpoint: Checkpoint;
  readonly cacheDir: string;
  readonly report: ReportProgress;
  readonly findings: FindingLog;
  /** What phases from the checkpoint start from instead of a fresh method. */
  readonly adapter?: AdapterStart;
  /**
   * Writes the scores of every example of an evaluation beside the record.
   * @param parts of the file's name: the phase, the draw where there are several, the evaluation
   * @returns the file's path from the run folder; null where it could not be written
   */
  writeScores(
    parts: readonly string[],
    split: ImageSplit,
    scores: Readonly<Record<string, ArrayLike<number>>>,
  ): Promise<string | null>;
  /**
   * Keeps what a draw of a phase trained; absent where that is not asked for.
   * @returns null where it could not be written
   */
  keepWeights?(trained: TrainedInPhase): Promise<KeptWeights | null>;
  /** Writes some predictions of an evaluation beside its scores; as {@link CellContext.writeScores}. */
  writeMaps(parts: readonly string[], maps: PredictedMaps): Promise<string | null>;
}

/** A phase that is done, with the model that came out of it; of several draws, the first one's. */
export interface FinishedPhase {
  readonly planned: PlannedPhase;
  readonly task: Task;
  readonly weights: WeightStore;
  readonly scored: readonly ScoredSplit[];
  readonly record: PhaseRecord;
}

interface ScoredSplit {
  readonly name: string;
  readonly fingerprint: string;
  readonly evaluation: Evaluation;
}

/** The finished phases that a phase goes on from. */
export interface EarlierPhases {
  /** The one that it starts from; the checkpoint where there is none. */
  readonly from?: FinishedPhase | undefined;
  /** The one whose head it uses, where it trains nothing. */
  readonly headOf?: FinishedPhase | undefined;
}

/** Trains and scores one phase. */
export async function runPhase(
  context: CellContext,
  planned: PlannedPhase,
  { from, headOf }: EarlierPhases,
): Promise<FinishedPhase> {
  const { phase, dataset, draws } = planned;
  let first: Pick<FinishedPhase, 'task' | 'weights' | 'scored'> | undefined;
  const recorded: PhaseRecord['draws'] = [];
  for (const [number, draw] of draws.entries()) {
    const single = draws.length === 1;
    const where = single ? phase.label : `${phase.label}/${number}`;
    const scores = single ? [phase.config.name] : [phase.config.name, String(number)];
    const task = planned.taskFor(draw.train);
    const started = { planned, draw, where, scores, task };
    const trained =
      headOf === undefined
        ? await trainDraw(context, { ...started, number, from })
        : underHead(context, task, { from: from!, headOf });
    const { weights, training, kept } = trained;
    const { evaluations, scored } = await evaluateDraw(context, weights, {
      ...started,
      before: headOf?.scored,
    });
    recorded.push({
      train: { examples: draw.train.length, fingerprint: draw.train.fingerprint },
      training,
      evaluations,
      ...(kept !== undefined && { weights: kept }),
    });
    first ??= { task, weights, scored };
  }
  const { task, weights, scored } = first!;
  const splits = [dataset.train, dataset.val, dataset.test].filter((split) => split !== undefined);
  const used = [
    ...splits,
    ...draws.flatMap(({ train, val }) => (val === undefined ? [train] : [train, val])),
  ];
  const record: PhaseRecord = {
    name: phase.config.name,
    from: phase.config.from,
    task: { name: task.name, options: plainOptions(phase.task.options) },
    protocol: {
      name: nameAndOptions(phase.config.protocol).name,
      options: plainOptions(phase.protocol.options),
    },
    trains: phase.config.trains,
    ...(headOf && { headOf: headOf.record.name }),
    data: {
      dataset: dataset.name,
      splits: Object.fromEntries(
        splits.map(({ split, length, fingerprint }) => [split, { examples: length, fingerprint }]),
      ),
      notes: [...new Set(used.flatMap(({ notes }) => notes))],
    },
    preprocessing: { ...draws[0].preprocessing },
    metrics: metricsOfPhase(task, headOf?.record.name).map(recordedMetric),
    draws: recorded,
  };
  return { planned, task, weights, scored, record };
}

/** What a draw's training left. */
interface TrainedDraw {
  readonly weights: WeightStore;
  readonly training: TrainingResult | null;
  readonly kept?: KeptWeights | null | undefined;
}

/** Trains a draw as its phase says. */
async function trainDraw(
  context: CellContext,
  {
    planned,
    draw,
    where,
    scores,
    task,
    number,
    from,
  }: DrawInPhase & { readonly number: number; readonly from: FinishedPhase | undefined },
): Promise<TrainedDraw> {
  const { trains } = planned;
  if (trains === 'nothing') throw new InternalError('A phase that trains nothing has the head of another.');
  const weights = await startWeights(context, draw, { task, where, from });
  await auditDraw(context, where, { planned, draw });
  const startsAfresh = from === undefined && context.adapter === undefined;
  if (startsAfresh && number === 0) await auditStart(context, weights, { where, task });
  const { train: split, preprocessing, training, unshuffled } = draw;
  const results = await trainMethod(
    context,
    weights,
    { name: where, taskFor: planned.taskFor, split, preprocessing, training, unshuffled, trains },
    () => [new TrainingAudit(context.findings, training.batchSize)],
  );
  const kept = await context.keepWeights?.({
    parts: scores,
    weights: trainedInPhase(context, weights, { planned, task }),
    ...classNamesOf(draw),
  });
  const { learningRate } = training;
  return { weights, training: { ...summarizeStages(results, split.length), learningRate }, kept };
}

/** The model of a phase under the head of an earlier one. */
function underHead(
  { model }: CellContext,
  task: Task,
  { from, headOf }: { readonly from: FinishedPhase; readonly headOf: FinishedPhase },
): TrainedDraw {
  const weights = from.weights.fork();
  for (const { name } of task.parameters(model)) weights.set(name, headOf.weights.get(name));
  return { weights, training: null };
}

/**
 * The weights of the phase before, or the checkpoint's with a fresh method or an adapter's; under a fresh head but
 * for that of an adapter.
 */
async function startWeights(
  context: CellContext,
  draw: ProtocolDraw,
  {
    task,
    where,
    from,
  }: { readonly task: Task; readonly where: string; readonly from: FinishedPhase | undefined },
): Promise<WeightStore> {
  const { checkpoint, model, seed } = context;
  const weights = from === undefined ? new WeightStore(checkpoint) : from.weights.fork();
  weights.initialize(task.parameters(model), seed);
  const { train: split, preprocessing, training } = draw;
  const show = { split, preprocessing, batchSize: training.batchSize };
  await initializeMethod(context, weights, siteInputsOf(context, new WeightStore(checkpoint), show));
  if (from === undefined && context.adapter !== undefined)
    startFromAdapter(weights, context.adapter, { ...context, task, where });
  return weights;
}

/** What a phase trains: its head, and the rest where it does not train a head alone. */
function trainedInPhase(
  context: CellContext,
  weights: WeightStore,
  { planned, task }: Pick<DrawInPhase, 'planned' | 'task'>,
): Weights {
  if (planned.trains !== 'head') return trainedWeights(context, weights, task);
  return new Map(task.parameters(context.model).map(({ name }) => [name, weights.get(name)]));
}

function classNamesOf({ train }: ProtocolDraw): Pick<TrainedInPhase, 'classNames'> {
  const { label } = train.targets;
  return label === undefined ? {} : { classNames: label.classNames };
}

interface DrawInPhase {
  readonly planned: PlannedPhase;
  readonly draw: ProtocolDraw;
  readonly where: string;
  /** Begin the names of files of scores. */
  readonly scores: readonly string[];
  readonly task: Task;
}

export interface PlannedEvaluation {
  readonly name: string;
  readonly split: ImageSplit;
  readonly caveat?: string;
}

/** What a phase asks to be scored on. */
function wantedEvaluations({ phase }: PlannedPhase, draw: ProtocolDraw): readonly PlannedEvaluation[] {
  return phase.config.evaluate.flatMap((split) =>
    split === 'test' ? draw.evaluations : draw.val === undefined ? [] : [{ name: 'val', split: draw.val }],
  );
}

/**
 * Scores a draw as its phase asks. Evaluations of the same images share one pass.
 * @param weights of the model
 * @param before what an earlier model scored, to tell what was forgotten
 */
async function evaluateDraw(
  context: CellContext,
  weights: WeightStore,
  {
    planned,
    draw,
    where,
    scores,
    task,
    before,
  }: DrawInPhase & { readonly before?: readonly ScoredSplit[] | undefined },
): Promise<{ readonly evaluations: EvaluationRecord[]; readonly scored: readonly ScoredSplit[] }> {
  const records: EvaluationRecord[] = [];
  const scored: ScoredSplit[] = [];
  for (const together of evaluationsOf(planned, draw)) {
    const kept = new KeptMaps(task, draw.preprocessing.imageSize);
    const spec = {
      name: `${where}/evaluate`,
      task,
      stage: finalStage(context.method),
      preprocessing: draw.preprocessing,
      batchSize: draw.training.batchSize,
      seen: (batch: PredictedBatch) => kept.add(batch, together[0]!.split.paths),
    };
    const splits = together.map(({ split }) => split) as [ImageSplit, ...ImageSplit[]];
    const found = await evaluate(context, weights, spec, splits);
    for (const [i, one] of found.entries()) {
      auditSingleClass(context.findings, where, one);
      const { name, split } = together[i]!;
      const { fingerprint } = split;
      const earlier = before?.find((then) => then.name === name && then.fingerprint === fingerprint);
      const evaluation = earlier === undefined ? one : withForgetting(task, one, earlier.evaluation);
      scored.push({ name, fingerprint, evaluation });
      records.push(
        await recordEvaluation(context, together[i]!, evaluation, {
          parts: scores,
          maps: i === 0 ? kept.maps : null,
        }),
      );
    }
  }
  return { evaluations: records, scored };
}

async function recordEvaluation(
  context: CellContext,
  { name, split, caveat }: PlannedEvaluation,
  evaluation: Evaluation,
  { parts, maps: kept }: { readonly parts: readonly string[]; readonly maps: PredictedMaps | null },
): Promise<EvaluationRecord> {
  const maps = kept === null ? null : await context.writeMaps([...parts, name], kept);
  const { examples, values, intervals, chance = {}, details, scores } = evaluation;
  return {
    name,
    split: split.split,
    caveat: caveat ?? null,
    examples,
    values: { ...values },
    intervals: Object.fromEntries(Object.entries(intervals).map(([key, [low, high]]) => [key, [low, high]])),
    chance: { ...chance },
    details: { ...details },
    scores: await context.writeScores([...parts, name], split, scores),
    ...(maps !== null && { maps }),
  };
}

/** What a draw is scored on: the evaluations of one group share one pass. */
export function evaluationsOf(
  { phase }: Pick<PlannedPhase, 'phase'>,
  draw: ProtocolDraw,
): readonly (readonly PlannedEvaluation[])[] {
  const wanted: readonly PlannedEvaluation[] = phase.config.evaluate.flatMap((split) =>
    split === 'test' ? draw.evaluations : draw.val === undefined ? [] : [{ name: 'val', split: draw.val }],
  );
  return sameImages(wanted);
}

/** Evaluations in groups of the same images in the same order. */
function sameImages(evaluations: readonly PlannedEvaluation[]): PlannedEvaluation[][] {
  const groups = new Map<string, PlannedEvaluation[]>();
  for (const evaluation of evaluations) {
    const key = `${evaluation.split.split}\n${evaluation.split.paths.join('\n')}`;
    groups.set(key, [...(groups.get(key) ?? []), evaluation]);
  }
  return [...groups.values()];
}

async function auditDraw(
  context: CellContext,
  where: string,
  { planned, draw }: Pick<DrawInPhase, 'planned' | 'draw'>,
): Promise<void> {
  const { findings, checkpoint } = context;
  const { train, preprocessing } = draw;
  // What is scored on val alone, as the trials of a search are, leaves test unread.
  const wanted = wantedEvaluations(planned, draw);
  const onTest = wanted.length === 0 || wanted.some(({ split }) => split === draw.evaluations[0].split);
  const evaluations = onTest ? draw.evaluations : wanted;
  auditPreprocessing(findings, where, preprocessing, checkpoint.preprocessing);
  for (const finding of draw.findings) findings.add({ ...finding, where });
  const hashed = async (split: ImageSplit) => ({
    paths: split.paths,
    hashes: await hashesOf(context, split),
  });
  auditLeakage(findings, where, await hashed(train), await hashed(evaluations[0]!.split));
  auditTrainingLabels(findings, where, train);
  for (const { split } of evaluations) auditEvaluationLabels(findings, where, split);
}

function hashesOf({ cacheDir, report }: CellContext, split: ImageSplit): Promise<readonly string[]> {
  return contentHashes(split, cacheDir, report);
}

/** One result of all stages of a training together. */
function summarizeStages(results: readonly TrainResult[], examples: number): TrainingResult {
  const sum = (value: (result: TrainResult) => number) =>
    results.reduce((total, result) => total + value(result), 0);
  const stepSeconds = sum((result) => result.stepSeconds);
  const last = results.at(-1)!;
  const cache = results.findLast((result) => result.cache !== null)?.cache ?? null;
  return {
    stages: results.map(({ name, trainableParameters, undecayedParameters, epochs, steps, losses }) => ({
      name,
      trainableParameters,
      undecayedParameters,
      epochs,
      steps,
      losses: [...losses],
    })),
    examples,
    seconds: sum((result) => result.seconds),
    stepSeconds,
    imagesPerSecond: sum((result) => result.images) / stepSeconds,
    flopsPerStep: last.flopsPerStep,
    cache: cache && {
      ...cache,
      pass: { ...cache.pass, imagesPerSecond: cache.pass.images / cache.pass.seconds },
    },
    ...(last.deviceMemory && { deviceMemory: last.deviceMemory }),
    ...(last.dispatches !== undefined && { dispatchesPerStep: last.dispatches }),
  };
}

/** JSON has no infinity: a side without a limit is null. */
function recordedMetric(metric: Metric): RecordedMetric {
  const limit = (value: number) => (Number.isFinite(value) ? value : null);
  return {
    ...metric,
    format: { ...metric.format },
    range: [limit(metric.range[0]), limit(metric.range[1])],
  };
}

function plainOptions(options: unknown): Record<string, unknown> {
  return { ...(options as Record<string, unknown>) };
}
