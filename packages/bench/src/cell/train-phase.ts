import type {
  DeviceState,
  Executable,
  HostTensor,
  HostTensors,
  ImageSplit,
  OwnedParameter,
  Preprocessing,
  Program,
  ProgramMemory,
  Task,
} from '@kora-bench/core';
import {
  buildTrainProgram,
  exampleWeightFeed,
  imagesFeed,
  joinFlat,
  learningRateAt,
  modelParameters,
  optimizerFeeds,
  optimizerStates,
  parametersState,
  partitionFrozenPrefix,
  programCost,
  randomStream,
  splitFlat,
  TrainingError,
} from '@kora-bench/core';
import type { TrainingConfig } from '../config/run-config.js';
import type { TrainingResult } from '../records/record-schema.js';
import { GradientAudit } from './audits/gradient-audit.js';
import type { CellContext } from './cell-context.js';
import { fixedBatches, inOrder } from './fixed-batches.js';
import type { FrozenFeatures } from './frozen-features.js';
import { frozenFeatures, isWorthKeeping } from './frozen-features.js';
import type { WeightStore } from './weight-store.js';

/** One stretch of training with a fixed set of trainable parameters. */
export interface PhaseSpec {
  /** E.g. `source/fusion`; names progress, shuffles and findings. */
  readonly name: string;
  readonly task: Task;
  readonly split: ImageSplit;
  readonly preprocessing: Preprocessing;
  /** The method's stage to trace. */
  readonly stage: string;
  trains(parameter: OwnedParameter): boolean;
  readonly training: TrainingConfig;
  /** Take examples in the split's own order in every epoch. */
  readonly unshuffled?: boolean;
}

export interface PhaseResult {
  readonly trainableParameters: number;
  readonly steps: number;
  readonly losses: TrainingResult['stages'][number]['losses'];
  /** Wall-clock time of features, compilation and all steps, seconds. */
  readonly seconds: number;
  /** Images that went through training steps. */
  readonly images: number;
  readonly flopsPerStep: number;
  readonly cache: TrainingResult['cache'];
  readonly deviceMemory: ProgramMemory | undefined;
}

/** About how many points a loss curve has. */
const curvePoints = 60;

/** Trains `spec` from the values in `weights` and leaves the trained ones there. */
export async function trainPhase(
  context: CellContext,
  weights: WeightStore,
  spec: PhaseSpec,
): Promise<PhaseResult> {
  const { backend, method, checkpoint } = context;
  const { training, task, split } = spec;
  const model = checkpoint.config;
  const traced = buildTrainProgram({
    model,
    method,
    task,
    batchSize: training.batchSize,
    stage: spec.stage,
    trains: spec.trains,
    optimizer: training.optimizer,
    ...(training.clipNorm === null ? {} : { clipNorm: training.clipNorm }),
  });
  const { layout } = traced;
  const partition =
    training.augmentation === 'none'
      ? partitionFrozenPrefix(traced.program, new Set([imagesFeed]))
      : undefined;
  const kept = partition !== undefined && isWorthKeeping(partition) ? partition : undefined;
  const program = kept?.rest ?? traced.program;

  const started = performance.now();
  const opening =
    kept && frozenFeatures(context, kept, weights, split, spec.preprocessing, training.batchSize, spec.name);
  const [features, executable] = await together(opening, backend.compile(program, weights.values));
  const start = joinFlat((name) => weights.get(name).data, layout);
  const state = await backend.createState(initialState(start, training));
  try {
    const owners = modelParameters(model, method, task);
    const audit = new GradientAudit(layout, owners, traced.unreached, spec.name);
    const run = await trainSteps(context, spec, executable, state, features, program, audit);
    const trained = await state.read(parametersState);
    const values: HostTensor = { ...trained, data: Float32Array.from(trained.data) };
    requireFiniteParameters(values, spec.name);
    audit.compare(start, values);
    audit.report(context.findings);
    reportParts(context, spec, executable.memory);
    for (const [name, value] of splitFlat(values, layout)) weights.set(name, value);
    return {
      ...run,
      trainableParameters: layout.length,
      seconds: (performance.now() - started) / 1000,
      flopsPerStep: programCost(program).flops,
      cache:
        features && kept
          ? {
              prefixFlopsPerImage: kept.prefixFlops / training.batchSize,
              bytesPerImage: kept.bytesPerExample,
              computedImages: features.computed,
              reusedImages: features.reused,
              ...(features.computeSeconds === undefined ? {} : { computeSeconds: features.computeSeconds }),
            }
          : null,
      deviceMemory: executable.memory,
    };
  } finally {
    features?.close();
    await state.dispose();
    await executable.dispose();
  }
}

function reportParts(
  { findings }: CellContext,
  { name, training }: PhaseSpec,
  memory: ProgramMemory | undefined,
): void {
  if (memory === undefined || memory.parts === 1) return;
  findings.add(
    'info',
    'BATCH_SPLIT',
    name,
    `A batch of ${training.batchSize} did not fit the memory of the device: each step works on it in ${memory.parts} parts and adds up their gradients.`,
    { ...memory },
  );
}

/** Both results, or the first failure; what the other made is then released. */
async function together(
  opening: Promise<FrozenFeatures> | undefined,
  compiling: Promise<Executable>,
): Promise<[FrozenFeatures | undefined, Executable]> {
  const [features, executable] = await Promise.allSettled([opening, compiling]);
  if (features.status === 'fulfilled' && executable.status === 'fulfilled')
    return [features.value, executable.value];
  if (features.status === 'fulfilled') features.value?.close();
  if (executable.status === 'fulfilled') await executable.value.dispose();
  throw features.status === 'rejected' ? features.reason : (executable as PromiseRejectedResult).reason;
}

function initialState(parameters: HostTensor, training: TrainingConfig): HostTensors {
  const zeros = () => ({
    dtype: 'f32' as const,
    shape: parameters.shape,
    data: new Float32Array(parameters.data.length),
  });
  return {
    [parametersState]: parameters,
    ...Object.fromEntries(optimizerStates(training.optimizer).map((name) => [name, zeros()])),
  };
}

interface StepInput {
  readonly feeds: Record<string, HostTensor>;
  readonly count: number;
}

async function trainSteps(
  context: CellContext,
  spec: PhaseSpec,
  executable: Executable,
  state: DeviceState,
  features: FrozenFeatures | undefined,
  program: Program,
  audit: GradientAudit,
): Promise<Pick<PhaseResult, 'steps' | 'losses' | 'images'>> {
  const { training, split, name } = spec;
  const stepsPerEpoch = Math.ceil(split.length / training.batchSize);
  const totalSteps = stepsPerEpoch * training.epochs;
  const lossEvery = Math.max(1, Math.floor(totalSteps / curvePoints));
  const losses: { step: number; loss: number; learningRate: number }[] = [];
  const reads = new Set(program.nodes.flatMap(({ op }) => (op.kind === 'feed' ? [op.name] : [])));
  context.report({ kind: 'phase', phase: name, totalSteps });
  const started = performance.now();
  let step = 0;
  let images = 0;
  for (let epoch = 0; epoch < training.epochs; epoch++) {
    const order = spec.unshuffled
      ? inOrder(split.length)
      : randomStream(context.seed, `shuffle/${name}/${epoch}`).permutation(split.length);
    for await (const { feeds, count } of stepInputs(context, spec, order, epoch, features)) {
      const learningRate = learningRateAt(training.schedule, training.learningRate, step, totalSteps);
      Object.assign(feeds, optimizerFeeds(training.optimizer, step, learningRate));
      const wantsLoss = step % lossEvery === 0 || step === totalSteps - 1;
      const wantsGradients = audit.samples(step, totalSteps);
      const outputs = await executable.run({
        feeds: Object.fromEntries(Object.entries(feeds).filter(([feed]) => reads.has(feed))),
        state,
        fetch: [...(wantsLoss ? ['loss'] : []), ...(wantsGradients ? ['gradients'] : [])],
      });
      if (outputs['gradients'] !== undefined) audit.sample(outputs['gradients']);
      images += count;
      step++;
      const loss = outputs['loss']?.data[0] ?? null;
      if (loss !== null) {
        requireFinite(loss, step, name);
        losses.push({ step: step - 1, loss, learningRate });
      }
      const imagesPerSecond = images / ((performance.now() - started) / 1000);
      context.report({ kind: 'step', phase: name, step, totalSteps, loss, imagesPerSecond });
    }
  }
  return { steps: totalSteps, losses, images };
}

async function* stepInputs(
  context: CellContext,
  spec: PhaseSpec,
  order: Int32Array,
  epoch: number,
  features: FrozenFeatures | undefined,
): AsyncGenerator<StepInput> {
  const { split, task, training, preprocessing } = spec;
  const { batchSize } = training;
  const target = task.target(context.checkpoint.config, batchSize);
  const labelsOf = (indices: ArrayLike<number>): Int32Array =>
    Int32Array.from(
      { length: batchSize },
      (_, i) => split.labels[indices[Math.min(i, indices.length - 1)]!]!,
    );

  if (features !== undefined && task.kind === 'classification') {
    for (let at = 0; at < order.length; at += batchSize) {
      const indices = order.subarray(at, at + batchSize);
      const labels = { dtype: 'i32' as const, shape: target.shape, data: labelsOf(indices) };
      const weight = exampleWeights(indices.length, batchSize);
      yield {
        feeds: { ...features.gather(indices), [target.name]: labels, ...weight },
        count: indices.length,
      };
    }
    return;
  }
  const reader = await split.open(preprocessing);
  try {
    const options = { preprocessing, augmentation: training.augmentation, seed: context.seed, epoch };
    for await (const batch of fixedBatches(split, reader, order, batchSize, options)) {
      const inputs = features?.gather(batch.indices) ?? { [imagesFeed]: batch.images };
      const value: HostTensor =
        task.kind === 'depth'
          ? batch.depth!
          : { dtype: 'i32', shape: target.shape, data: labelsOf(batch.indices) };
      yield {
        feeds: { ...inputs, [target.name]: value, ...exampleWeights(batch.count, batchSize) },
        count: batch.count,
      };
    }
  } finally {
    await reader.close();
  }
}

/** Mean over the real examples of a batch; padding weighs nothing. */
function exampleWeights(count: number, batchSize: number): Record<string, HostTensor> {
  const data = new Float32Array(batchSize).fill(1 / count, 0, count);
  return { [exampleWeightFeed]: { dtype: 'f32', shape: [batchSize], data } };
}

function requireFinite(loss: number, step: number, phase: string): void {
  if (Number.isFinite(loss)) return;
  throw new TrainingError(`The loss is ${loss} at step ${step} of ${phase}.`, {
    expected: 'a finite loss',
    received: String(loss),
    where: phase,
    fix: 'Lower the learning rate, or set training.clipNorm.',
  });
}

/** The last loss was that of the parameters before the last update. */
function requireFiniteParameters({ data }: HostTensor, phase: string): void {
  const broken = data.findIndex((value) => !Number.isFinite(value));
  if (broken < 0) return;
  throw new TrainingError(`The parameters are not finite after ${phase}.`, {
    expected: 'finite parameters',
    received: String(data[broken]),
    where: phase,
    fix: 'Lower the learning rate, or set training.clipNorm.',
  });
}
