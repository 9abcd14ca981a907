import type { ImageSplit, Preprocessing } from '@kora-bench/core/data';
import { pixelTargetKinds } from '@kora-bench/core/data';
import { InputError } from '@kora-bench/core/errors';
import type { HostTensor, HostTensors } from '@kora-bench/core/graph';
import { sizeOf } from '@kora-bench/core/graph';
import type { EvaluationBatch, EvaluationResult, Task } from '@kora-bench/core/training';
import { buildEvalProgram } from '@kora-bench/core/training';
import { type BatchTargets, imageTargets } from '@kora-bench/datasets/browser';
import { fixedBatches, inOrder } from './batches.js';
import type { KeptFeatures } from './kept-features.js';
import { keptFeatures, memoryFeatures, worthwhilePrefix } from './kept-features.js';
import type { StepBatch } from './observers.js';
import { PassProgress } from './progress.js';
import type { Session } from './session.js';
import { openSession, withSession } from './session.js';
import { finalStage } from './stages.js';
import type { TrainerContext } from './train.js';
import { inputsOf } from './train-data.js';
import type { WeightStore } from './weights.js';

/** A model's way over one split. */
export interface EvaluateSpec {
  /** Names progress. */
  readonly name: string;
  readonly task: Task;
  /** The method's stage to trace; its last one by default. */
  readonly stage?: string;
  readonly preprocessing: Preprocessing;
  readonly batchSize: number;
  /** Is shown every batch before it is scored, e.g. to keep some predictions. */
  readonly seen?: (batch: PredictedBatch) => void;
}

export interface PredictedBatch {
  /** `[n, …]`, without padding. */
  readonly prediction: HostTensor;
  /** By kind, `[n, …]`. */
  readonly targets: BatchTargets;
  /** Places in the split, `[n]`. */
  readonly indices: Int32Array;
}

/**
 * Predictions for a whole split in its order, with the values in `weights`. Head and method are state, so
 * that what depends on the backbone alone can come from kept features.
 */
export async function* predict(
  context: TrainerContext,
  weights: WeightStore,
  spec: EvaluateSpec,
  split: ImageSplit,
): AsyncGenerator<PredictedBatch, void, undefined> {
  const { backend, model } = context;
  const { task, preprocessing, batchSize } = spec;
  const report = context.report ?? (() => undefined);
  const { program, layout } = predictionProgram(context, spec);
  const kept = worthwhilePrefix(program);
  const features =
    kept &&
    (await keptFeatures({
      backend,
      partition: kept,
      weights,
      split,
      preprocessing,
      batchSize,
      store: context.features ?? memoryFeatures,
      phase: spec.name,
      report,
    }));
  let session: Session | undefined;
  try {
    session = await openSession({
      backend,
      program: kept?.rest ?? program,
      weights: weights.values,
      parameters: weights.flat(layout),
    });
    const progress = new PassProgress(report, spec.name, Math.ceil(split.length / batchSize));
    const needsPixels =
      features === undefined ||
      task.targets(model, batchSize).some(({ kind }) => pixelTargetKinds.includes(kind));
    const inputs = needsPixels ? fromPixels(split, spec, features) : fromFeatures(split, batchSize, features);
    for await (const { feeds, targets, indices } of inputs) {
      const { prediction } = await session.run(feeds, ['prediction']);
      progress.step(indices.length);
      yield { prediction: head(prediction!, indices.length), targets, indices };
    }
  } finally {
    features?.close();
    await session?.close();
  }
}

function predictionProgram(
  { model, method }: TrainerContext,
  { task, batchSize, stage = finalStage(method) }: Omit<EvaluateSpec, 'preprocessing'>,
) {
  return buildEvalProgram(
    { model, method, task, batchSize, stage, trains: ({ owner }) => owner !== 'backbone' },
    ['prediction'],
  );
}

interface Input {
  readonly feeds: HostTensors;
  readonly targets: BatchTargets;
  readonly indices: Int32Array;
}

function* fromFeatures(split: ImageSplit, batchSize: number, features: KeptFeatures): Generator<Input> {
  const order = inOrder(split.length);
  for (let at = 0; at < order.length; at += batchSize) {
    const indices = order.subarray(at, at + batchSize);
    yield {
      feeds: features.gather(indices),
      targets: imageTargets(split, indices, indices.length),
      indices,
    };
  }
}

async function* fromPixels(
  split: ImageSplit,
  { preprocessing, batchSize }: EvaluateSpec,
  features: KeptFeatures | undefined,
): AsyncGenerator<Input> {
  const reader = await split.open(preprocessing);
  try {
    const order = inOrder(split.length);
    for await (const batch of fixedBatches({ split, reader, order, batchSize, preprocessing })) {
      const targets = Object.fromEntries(
        Object.entries(batch.targets).map(([kind, value]) => [kind, head(value, batch.count)]),
      );
      yield { feeds: inputsOf(batch, features), targets, indices: batch.indices };
    }
  } finally {
    await reader.close();
  }
}

/** The first `count` rows; a copy, since engines use their memory again. */
function head(tensor: HostTensor, count: number): HostTensor {
  const shape = [count, ...tensor.shape.slice(1)];
  return { ...tensor, shape, data: tensor.data.slice(0, sizeOf(shape)) };
}

/** What an evaluation found, with the scores of every example. */
export interface Evaluation extends EvaluationResult {
  /** One score per example in the order of the split, by name. */
  readonly scores: Readonly<Record<string, Float64Array>>;
}

/**
 * Scores a model on splits of the same images under one or several targets, in a single pass.
 * @param splits the first gives the images; all have its length
 * @throws InputError when a split has other images
 */
export async function evaluate(
  context: TrainerContext,
  weights: WeightStore,
  spec: EvaluateSpec,
  splits: readonly [ImageSplit, ...ImageSplit[]],
): Promise<Evaluation[]> {
  const [first] = splits;
  for (const other of splits.slice(1)) requireSameImages(first, other);
  const scored = splits.map(() => ({
    evaluator: spec.task.evaluator(),
    scores: {} as Record<string, Float64Array>,
  }));
  for await (const batch of predict(context, weights, spec, first)) {
    const { prediction, targets, indices } = batch;
    spec.seen?.(batch);
    for (const [i, { evaluator, scores }] of scored.entries()) {
      const own = i === 0 ? targets : { ...targets, ...imageTargets(splits[i]!, indices, indices.length) };
      const scoredBatch: EvaluationBatch = { prediction, targets: own };
      for (const [name, values] of Object.entries(evaluator.add(scoredBatch))) {
        scores[name] ??= new Float64Array(first.length);
        for (const [at, place] of indices.entries()) scores[name][place] = values[at]!;
      }
    }
  }
  return scored.map(({ evaluator, scores }) => ({ ...evaluator.result(), scores }));
}

/**
 * Scores a model on batches of the caller's own, as `train` takes them.
 * @param batches images and targets; examples beyond a batch's `count` are left out
 * @returns scores per example in the order of the batches
 * @throws InputError when there is no batch
 */
export async function evaluateBatches(
  context: TrainerContext,
  weights: WeightStore,
  spec: Omit<EvaluateSpec, 'preprocessing' | 'seen'>,
  batches: AsyncIterable<StepBatch> | Iterable<StepBatch>,
): Promise<Evaluation> {
  const { backend, model } = context;
  const { task, batchSize } = spec;
  const { program, layout } = predictionProgram(context, spec);
  const kinds = task.targets(model, batchSize).map(({ kind }) => kind);
  const evaluator = task.evaluator();
  const scores: Record<string, number[]> = {};
  const running = { backend, program, weights: weights.values, parameters: weights.flat(layout) };
  await withSession(running, async (session) => {
    for await (const { feeds, count } of batches) {
      const { prediction } = await session.run(feeds, ['prediction']);
      const targets = Object.fromEntries(kinds.map((kind) => [kind, head(feeds[kind]!, count)]));
      const added = evaluator.add({ prediction: head(prediction!, count), targets });
      for (const [name, values] of Object.entries(added)) {
        scores[name] ??= [];
        scores[name].push(...Array.from(values));
      }
    }
  });
  const float64 = Object.entries(scores).map(([name, values]) => [name, Float64Array.from(values)]);
  return { ...evaluator.result(), scores: Object.fromEntries(float64) };
}

function requireSameImages(first: ImageSplit, other: ImageSplit): void {
  const differs = first.paths.findIndex((path, i) => path !== other.paths[i]);
  if (differs < 0 && other.length === first.length) return;
  const named = ({ dataset, split, length, paths }: ImageSplit) =>
    `${dataset}, ${split}: ${length} images${differs < 0 ? '' : `, ${paths[differs] ?? 'none'} at ${differs}`}`;
  throw new InputError('Splits that are scored in one pass have other images.', {
    where: 'splits',
    expected: `the images of the first: ${named(first)}`,
    received: named(other),
    fix: 'Evaluate them one after the other.',
  });
}
