import type { Backend, ProgramMemory } from '@kora-bench/core/backend';
import { InputError } from '@kora-bench/core/errors';
import type { HostTensors } from '@kora-bench/core/graph';
import type { Architecture } from '@kora-bench/core/nn';
import { programCost } from '@kora-bench/core/passes';
import type { ConfiguredMethod, NoiseSpec } from '@kora-bench/core/peft';
import { noiseFeeds } from '@kora-bench/core/peft';
import { randomStream } from '@kora-bench/core/random';
import type { OwnedParameter, ParameterLayout, Task, TrainingConfig } from '@kora-bench/core/training';
import {
  buildTrainProgram,
  learningRateAt,
  modelParameters,
  optimizerFeeds,
} from '@kora-bench/core/training';
import { exampleWeights } from './batches.js';
import type { FeatureCost, FeatureStore, KeptFeatures } from './kept-features.js';
import { keptFeatures, memoryFeatures, worthwhilePrefix } from './kept-features.js';
import {
  firstBrokenValue,
  lossNotFinite,
  requireFiniteGradients,
  requireFiniteParameters,
} from './not-finite.js';
import type { StepBatch, TrainObserver } from './observers.js';
import { lossCurve } from './observers.js';
import type { ReportProgress } from './progress.js';
import { PassProgress } from './progress.js';
import type { Session } from './session.js';
import { openSession } from './session.js';
import { finalStage, trainsIn } from './stages.js';
import type { OwnBatches, TrainData } from './train-data.js';
import { batchesOfEpoch, splitBatches } from './train-data.js';
import type { WeightStore } from './weights.js';

/** What every training and evaluation of a model shares. */
export interface TrainerContext {
  readonly backend: Backend;
  readonly model: Architecture;
  readonly method: ConfiguredMethod;
  /** Of start values, shuffles and augmentation. */
  readonly seed: number;
  /** Where the values of frozen prefixes are kept; in memory by default. */
  readonly features?: FeatureStore;
  readonly report?: ReportProgress;
}

/** One stretch of training with a fixed set of trainable parameters. */
export interface TrainSpec<B extends StepBatch = StepBatch> {
  /** E.g. `source/fusion`; names progress, shuffles and errors. */
  readonly name: string;
  readonly task: Task;
  /** The method's stage to trace; its last one by default. */
  readonly stage?: string;
  /** What trains; by default what the method trains in this stage, and the head. */
  trains?(parameter: OwnedParameter): boolean;
  readonly training: TrainingConfig;
  readonly observers?: readonly TrainObserver<B>[];
}

export interface TrainResult {
  readonly name: string;
  readonly epochs: number;
  readonly trainableParameters: number;
  /** Those of them that have no weight decay: the backbone's vectors, positions and tokens, and what the method says. */
  readonly undecayedParameters: number;
  readonly steps: number;
  readonly losses: readonly { readonly step: number; readonly loss: number; readonly learningRate: number }[];
  /** Wall-clock time of features, compilation and all steps. */
  readonly seconds: number;
  /**
   * Wall-clock time of the steps alone, from the first one's batch to the end of the last one, with what
   * observers do meanwhile. The method's speed is `images / stepSeconds`, whether or not features were there.
   */
  readonly stepSeconds: number;
  /** Images that went through training steps. */
  readonly images: number;
  /** Of the program that ran each step, after pruning. */
  readonly flopsPerStep: number;
  /** The frozen prefix kept per image; null when it was not worth keeping. */
  readonly cache: {
    readonly prefixFlopsPerImage: number;
    readonly bytesPerImage: number;
    readonly computedImages: number;
    readonly reusedImages: number;
    /** The pass that computed the values, now or for an earlier training. */
    readonly pass: FeatureCost;
  } | null;
  readonly deviceMemory: ProgramMemory | undefined;
  /** Kernels that a step starts; undefined where the backend does not tell. */
  readonly dispatches: number | undefined;
}

/**
 * Trains from the values in `weights` and leaves the trained ones there.
 * @throws InputError when nothing would train, or an epoch of the caller's own batches has too few
 * @throws TrainingError when a loss or a parameter is not finite
 * @throws BackendError | InputError | FormatError from the engine and the data
 */
export async function train<B extends StepBatch = StepBatch>(
  context: TrainerContext,
  weights: WeightStore,
  spec: TrainSpec<B>,
  data: TrainData<B>,
): Promise<TrainResult> {
  const { backend, model, method } = context;
  const { training, task, observers = [] } = spec;
  const { batchSize, optimizer, clipNorm } = training;
  const parameters = modelParameters(model, method, task);
  const stage = spec.stage ?? finalStage(method);
  const trains = spec.trains ?? trainsIn(method, stage);
  requireTrainable(parameters.some(trains), spec.name);
  const modelSpec = { model, method, task, batchSize, stage, trains };
  const traced = buildTrainProgram({
    ...modelSpec,
    optimizer,
    ...(clipNorm === null ? {} : { clipNorm }),
  });
  const { layout } = traced;
  const keeps = 'split' in data && training.augmentation === 'none';
  const kept = keeps ? worthwhilePrefix(traced.program) : undefined;
  const program = kept?.rest ?? traced.program;
  const before = weights.flat(layout);

  const started = performance.now();
  const opening =
    kept && 'split' in data
      ? keptFeatures({
          backend,
          partition: kept,
          weights,
          split: data.split,
          preprocessing: data.preprocessing,
          batchSize,
          store: context.features ?? memoryFeatures,
          phase: spec.name,
          report: context.report ?? (() => undefined),
        })
      : undefined;
  const opened = openSession({ backend, program, weights: weights.values, parameters: before, optimizer });
  const [features, session] = await together(opening, opened);
  try {
    const batches: OwnBatches =
      'split' in data
        ? splitBatches({ ...data, seed: context.seed, phase: spec.name, training, features, program })
        : data;
    const totalSteps = batches.stepsPerEpoch * training.epochs;
    const curve = lossCurve();
    const watching: readonly TrainObserver[] = [curve, ...observers];
    const { unreached, noise } = traced;
    for (const observer of watching)
      await observer.started?.({ name: spec.name, layout, parameters, unreached, totalSteps });
    const ran = await runSteps({
      context,
      spec,
      session,
      noise,
      layout,
      locate: (feeds) => firstBrokenValue(backend, weights, { spec: modelSpec, parameters: before, feeds }),
      totalSteps,
      batches,
      observers: watching,
    });
    const after = await session.parameters();
    requireFiniteParameters(after, spec.name);
    for (const observer of observers) await observer.ended?.({ before, after, memory: session.memory });
    weights.setFlat(after, layout);
    return {
      name: spec.name,
      epochs: training.epochs,
      trainableParameters: layout.length,
      undecayedParameters: layout.entries.reduce(
        (sum, { size, update }) => (update?.weightDecay === 0 ? sum + size : sum),
        0,
      ),
      steps: totalSteps,
      losses: curve.points,
      images: ran.images,
      stepSeconds: ran.seconds,
      seconds: (performance.now() - started) / 1000,
      flopsPerStep: programCost(program).flops,
      cache:
        features && kept
          ? {
              prefixFlopsPerImage: kept.prefixFlops / batchSize,
              bytesPerImage: kept.bytesPerExample,
              computedImages: features.computed,
              reusedImages: features.reused,
              pass: features.pass,
            }
          : null,
      deviceMemory: session.memory,
      dispatches: session.dispatches,
    };
  } finally {
    features?.close();
    await session.close();
  }
}

/** Both results, or the first failure; what the other made is then released. */
async function together(
  opening: Promise<KeptFeatures> | undefined,
  opened: Promise<Session>,
): Promise<[KeptFeatures | undefined, Session]> {
  const [features, session] = await Promise.allSettled([opening, opened]);
  if (features.status === 'fulfilled' && session.status === 'fulfilled')
    return [features.value, session.value];
  if (features.status === 'fulfilled') features.value?.close();
  if (session.status === 'fulfilled') await session.value.close();
  throw features.status === 'rejected' ? features.reason : (session as PromiseRejectedResult).reason;
}

interface Steps {
  readonly context: TrainerContext;
  readonly spec: TrainSpec;
  readonly session: Session;
  readonly noise: readonly NoiseSpec[];
  readonly layout: ParameterLayout;
  /** Finds the first value that is not finite, with the parameters that the training started from. */
  locate(feeds: HostTensors): Promise<string | undefined>;
  readonly totalSteps: number;
  readonly batches: OwnBatches;
  readonly observers: readonly TrainObserver[];
}

/** Runs all steps of all epochs; how many images went through them, and how long that took. */
async function runSteps({
  context,
  spec,
  session,
  noise,
  layout,
  locate,
  totalSteps,
  batches,
  observers,
}: Steps): Promise<{ readonly images: number; readonly seconds: number }> {
  const { optimizer, schedule, learningRate: base, epochs, batchSize } = spec.training;
  const progress = new PassProgress(context.report ?? (() => undefined), spec.name, totalSteps);
  const noiseSeed = randomStream(context.seed, `noise/${spec.name}`).nextUint32();
  let step = 0;
  for (let epoch = 0; epoch < epochs; epoch++) {
    let known = { examples: 0, loss: 0 };
    for await (const batch of batchesOfEpoch(batches, epoch, spec.name)) {
      const began = performance.now();
      const learningRate = learningRateAt(schedule, base, step, totalSteps);
      const fetch = new Set(observers.flatMap((observer) => observer.wants?.(step, totalSteps) ?? []));
      const feeds = {
        ...batch.feeds,
        ...exampleWeights(batch.count, batchSize),
        ...optimizerFeeds(optimizer, step, learningRate),
        ...noiseFeeds(noise, noiseSeed, step),
      };
      const outputs = await session.run(feeds, [...fetch]);
      const loss = outputs['loss']?.data[0] ?? null;
      if (loss !== null && !Number.isFinite(loss)) {
        const broken = await locate(feeds).catch(() => undefined);
        throw lossNotFinite({ loss, step, phase: spec.name, broken });
      }
      requireFiniteGradients(outputs['gradients'], layout, step, spec.name);
      const seconds = (performance.now() - began) / 1000;
      const { count } = batch;
      for (const observer of observers)
        await observer.stepped?.({ step, totalSteps, learningRate, count, seconds, outputs, batch });
      if (loss !== null) known = { examples: known.examples + count, loss: known.loss + count * loss };
      step++;
      progress.step(count, loss);
    }
    const loss = known.examples === 0 ? null : known.loss / known.examples;
    for (const observer of observers) await observer.epochEnded?.({ epoch, epochs, loss });
  }
  // The loss curve waits for the last step's loss, so no device is still at work on a step.
  return { images: progress.images, seconds: progress.seconds };
}

function requireTrainable(something: boolean, phase: string): void {
  if (something) return;
  throw new InputError(`Nothing trains in ${phase}.`, {
    where: phase,
    expected: 'a parameter of the head, the method or the backbone that trains',
    received: 'none',
    fix: 'Correct `trains`.',
  });
}
