import type { ImageSplit } from '@kora-bench/core/data';
import { InternalError } from '@kora-bench/core/errors';
import type { Weights } from '@kora-bench/core/graph';
import type { ProtocolDraw, Task } from '@kora-bench/core/training';
import type { TrainResult } from '@kora-bench/trainer';
import {
  initializeMethod,
  siteInputsOf,
  trainedWeights,
  trainMethod,
  WeightStore,
} from '@kora-bench/trainer';
import { startFromAdapter } from '../adapter-start/start-from-adapter.js';
import {
  auditEvaluationLabels,
  auditLeakage,
  auditPreprocessing,
  auditTrainingLabels,
} from '../audits/data-audit.js';
import { auditStart } from '../audits/method-audit.js';
import { TrainingAudit } from '../audits/training-audit.js';
import { contentHashes } from '../cache/content-hashes.js';
import type { TrainedInPhase } from '../records/kept-weights.js';
import type { KeptWeights, TrainingResult } from '../records/phase-record-schema.js';
import type { CellContext, DrawInPhase, FinishedPhase } from './phase-context.js';
import { wantedEvaluations } from './planned-evaluations.js';

/** What a draw's training left. */
interface TrainedDraw {
  readonly weights: WeightStore;
  readonly training: TrainingResult | null;
  readonly kept?: KeptWeights | null | undefined;
}

/** Trains a draw as its phase says. */
export async function trainDraw(
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
export function underHead(
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
