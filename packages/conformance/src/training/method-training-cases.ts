import type { HostTensor, HostTensors } from '@kora-bench/core/graph';
import { hostTensor } from '@kora-bench/core/graph';
import type { Architecture } from '@kora-bench/core/nn';
import type { ConfiguredMethod, MethodDefinition } from '@kora-bench/core/peft';
import { initialValue, noiseFeeds, stagesOf } from '@kora-bench/core/peft';
import { randomStream } from '@kora-bench/core/random';
import type { OptimizerConfig, OwnedParameter, Task } from '@kora-bench/core/training';
import {
  buildTrainProgram,
  imagesFeed,
  joinFlat,
  learningRateAt,
  modelParameters,
  optimizerFeeds,
  trainsInStage,
} from '@kora-bench/core/training';
import adapterFusion from '@kora-bench/method-adapter-fusion';
import adaptFormer from '@kora-bench/method-adaptformer';
import basisAdapter from '@kora-bench/method-basis-adapter';
import bitfit from '@kora-bench/method-bitfit';
import dora from '@kora-bench/method-dora';
import fourierft from '@kora-bench/method-fourierft';
import full from '@kora-bench/method-full';
import ia3 from '@kora-bench/method-ia3';
import kora from '@kora-bench/method-kora';
import koraChain from '@kora-bench/method-kora-chain';
import linearProbe from '@kora-bench/method-linear-probe';
import lora from '@kora-bench/method-lora';
import oft from '@kora-bench/method-oft';
import repAdapter from '@kora-bench/method-repadapter';
import ssf from '@kora-bench/method-ssf';
import vera from '@kora-bench/method-vera';
import vpt from '@kora-bench/method-vpt';
import { classificationTask, depthTask } from '@kora-bench/tasks';
import { toyVariants, toyVit } from '@kora-bench/testing/vit-configs';
import { exampleWeights, initializeMethod, initialState, WeightStore } from '@kora-bench/trainer';
import type { Training, TrainingCase } from './training-case.js';

/** One stage of a method with its options. */
export interface MethodRecipe {
  readonly name: string;
  readonly method: ConfiguredMethod;
  readonly stage: string;
}

function recipes(label: string, definition: MethodDefinition, given: object): MethodRecipe[] {
  const method = { definition, options: definition.options.parse(given) };
  const stages = stagesOf(method).map(({ name }) => name);
  return stages.map((stage) => ({
    name: stages.length === 1 ? label : `${label}, ${stage}`,
    method,
    stage,
  }));
}

/** Methods that every task trains, stage by stage. */
const recipesOfEveryTask: readonly MethodRecipe[] = [
  ...recipes('linear-probe', linearProbe, {}),
  ...recipes('full', full, {}),
  ...recipes('lora published', lora, { ...lora.presets!.published, rank: 3 }),
  ...recipes('adapter-fusion', adapterFusion, { bottleneck: 5, fusionWidth: 4 }),
  ...recipes('kora', kora, { rank: 3, dComp: 4 }),
  ...recipes('kora-chain', koraChain, { rank: 3, trainFinalProjection: true }),
];

/** Methods, and forms of those above, whose graphs hold nothing more that a task could change; one task trains them. */
const recipesOfOneTask: readonly MethodRecipe[] = [
  ...recipes('lora peft', lora, { ...lora.presets!.peft, rank: 3 }),
  ...recipes('lora on q and v', lora, { targets: ['attn.q', 'attn.v'], rank: 2, scaling: 'alpha/sqrt(r)' }),
  ...recipes('adapter-fusion as in the paper', adapterFusion, { bottleneck: 5, fusionWidth: 'full' }).slice(
    -1,
  ),
  ...recipes('kora-chain published', koraChain, { ...koraChain.presets!.published, rank: 3 }),
  ...recipes('lora with PiSSA, LoRA+ and dropout', lora, {
    rank: 2,
    init: 'pissa',
    loraPlus: 4,
    dropout: 0.25,
  }),
  ...recipes('dora', dora, { rank: 3 }),
  ...recipes('vera', vera, { rank: 5, targets: 'all-linear' }),
  ...recipes('fourierft', fourierft, { frequencies: 20, scaling: 40 }),
  ...recipes('oft', oft, { blockSize: 4 }),
  ...recipes('bitfit', bitfit, {}),
  ...recipes('vpt with dropout', vpt, { tokens: 2, dropout: 0.25 }),
  ...recipes('ssf', ssf, {}),
  ...recipes('ia3', ia3, {}),
  ...recipes('adaptformer', adaptFormer, { bottleneck: 5, scale: 'learned' }),
  ...recipes('repadapter', repAdapter, { bottleneck: 4, scale: 0.5 }),
  ...recipes('kora with attention', kora, {
    ...{ composition: 'attention', dComp: 4, rank: 3, target: 'output', gate: 'token' },
  }),
  ...recipes('kora across blocks', kora, {
    ...{ composition: 'cross-block', dComp: 4, rank: 2, target: 'q-and-v', gate: 'channel' },
  }),
  ...recipes('kora-chain with residual links, norms and read-outs', koraChain, {
    ...{ rank: 3, links: 'residual', normalize: true, readOut: 'each' },
  }),
  ...recipes('basis-adapter', basisAdapter, { rank: 2, grid: 'data', targets: ['attn.v'] }),
];

/** Every method package, in every form whose graph differs, stage by stage. */
export const methodRecipes: readonly MethodRecipe[] = [...recipesOfEveryTask, ...recipesOfOneTask];

const batchSize = 3;
const classes = 5;
const totalSteps = 20;
const pixels = toyVit.imageSize[0] * toyVit.imageSize[1];

/** How one task is trained; between them the recipes cover both optimisers, both schedules and clipping. */
interface TaskRecipe {
  readonly name: string;
  readonly task: Task;
  readonly optimizer: OptimizerConfig;
  readonly clipNorm: number;
  learningRate(step: number): number;
  /** The target feed of a batch whose first `real` examples are not padding. */
  target(step: number, real: number): HostTensors;
}

/*
 * AdamW divides by each element's own gradient size. With the usual eps of 1e-8 an element whose exact
 * gradient is zero (the bias of attention's keys) moves by a whole step in the direction of its rounding
 * error, so float32 engines agree with nothing there. Typical gradients of these cases are 1e-2 to 1: an eps
 * of 1e-4 leaves them as they are and stays well above the rounding error, about 1e-8.
 */
const adamw: OptimizerConfig = { kind: 'adamw', beta1: 0.9, beta2: 0.999, eps: 1e-4, weightDecay: 0.01 };

const taskRecipes: readonly TaskRecipe[] = [
  {
    name: 'classification: AdamW, warm-up and cosine, label smoothing, clipping',
    task: classificationTask(classes, 0.1),
    optimizer: adamw,
    clipNorm: 1,
    learningRate: (step) => learningRateAt({ kind: 'cosine', warmup: 0.2 }, 3e-3, step, totalSteps),
    target: (step, real) => ({ label: hostTensor([batchSize], labels(step, real)) }),
  },
  {
    name: 'depth: SGD with momentum and weight decay, clipping',
    task: depthTask(),
    optimizer: { kind: 'sgd', momentum: 0.9, weightDecay: 1e-2 },
    clipNorm: 0.5,
    learningRate: (step) => learningRateAt({ kind: 'constant', warmup: 0 }, 1e-2, step, totalSteps),
    target: (step, real) => ({ depth: depthMap(step, real) }),
  },
];

/** A whole training step of every method on every task, or on the first one alone; every fourth batch is partial. */
export const methodTrainingCases: readonly TrainingCase[] = taskRecipes.flatMap((taskRecipe, index) =>
  (index === 0 ? methodRecipes : recipesOfEveryTask).map((methodRecipe) => ({
    name: `${methodRecipe.name}, ${taskRecipe.name}`,
    build: () => buildMethodTraining(methodRecipe, taskRecipe),
  })),
);

/** Full fine-tuning of the kinds of Vision Transformers: every gradient of every part. */
export const variantTrainingCases: readonly TrainingCase[] = Object.entries(toyVariants).map(
  ([name, model]) => ({
    name: `full on ${name}`,
    build: () => buildMethodTraining(recipes('full', full, {})[0]!, taskRecipes[0]!, model),
  }),
);

async function buildMethodTraining(
  { method, stage }: MethodRecipe,
  { task, optimizer, clipNorm, learningRate, target }: TaskRecipe,
  model: Architecture = toyVit,
): Promise<Training> {
  const stageOf = stagesOf(method).find(({ name }) => name === stage)!;
  const trains = (parameter: OwnedParameter) => trainsInStage(parameter, method, stageOf);
  const { program, layout, noise } = buildTrainProgram({
    model,
    method,
    task,
    batchSize,
    stage,
    trains,
    optimizer,
    clipNorm,
  });
  const { values } = await startValues(model, method, task);
  return {
    program,
    weights: values,
    state: initialState(
      joinFlat((name) => values.get(name)!.data, layout),
      optimizer,
    ),
    feeds(step) {
      const real = step % 4 === 3 ? batchSize - 1 : batchSize;
      return {
        ...optimizerFeeds(optimizer, step, learningRate(step)),
        ...target(step, real),
        [imagesFeed]: images(step, real),
        ...exampleWeights(real, batchSize),
        ...noiseFeeds(noise, 1, step),
      };
    },
  };
}

/**
 * Backbone and head at random; the method's own start plus noise, so that no gradient is zero only
 * because a matrix or a gate still is.
 */
async function startValues(model: Architecture, method: ConfiguredMethod, task: Task): Promise<WeightStore> {
  const start = new WeightStore({ tensors: new Map(), fingerprint: '' });
  const parameters = modelParameters(model, method, task);
  for (const spec of parameters.filter(({ owner }) => owner !== 'method')) {
    const isNorm = /(^|[._])norm(?:\d|_pre)?\.weight$/.test(spec.name);
    start.set(spec.name, noisy(spec, { std: 0.3, around: () => (isNorm ? 1 : 0) }));
  }
  await initializeMethod({ model, method, seed: 1 }, start, (sites, batches) =>
    drawnInputs(model, sites, batches),
  );
  for (const spec of parameters.filter(({ owner, constant }) => owner === 'method' && constant !== true)) {
    const { data } = start.get(spec.name);
    start.set(spec.name, noisy(spec, { std: 0.1, around: (i) => data[i]! }));
  }
  return start;
}

/** Stands for what layers read of training images, `[B, N, in]` per batch. */
async function drawnInputs(model: Architecture, names: readonly string[], batches: number) {
  return new Map(
    model.sites
      .filter(({ name }) => names.includes(name))
      .map(({ name, inFeatures }) => {
        const random = randomStream(2, `inputs/${name}`);
        const batch = () =>
          hostTensor(
            [batchSize, 5, inFeatures],
            Float32Array.from({ length: batchSize * 5 * inFeatures }, () => random.normal()),
          );
        return [name, Array.from({ length: batches }, batch)] as const;
      }),
  );
}

interface Noise {
  readonly std: number;
  /** What the noise is added to, element by element. */
  around(index: number): number;
}

function noisy(spec: OwnedParameter, { std, around }: Noise): HostTensor {
  const noise = initialValue({ ...spec, init: { kind: 'normal', std } }, 2);
  return hostTensor(
    spec.shape,
    noise.map((value, i) => value + around(i)),
  );
}

/** Padding is zeros, as a loader leaves it. */
function images(step: number, real: number): HostTensor {
  const random = randomStream(step, 'images');
  const data = new Float32Array(batchSize * 3 * pixels);
  for (let i = 0; i < real * 3 * pixels; i++) data[i] = random.normal();
  return hostTensor([batchSize, 3, ...toyVit.imageSize], data);
}

function labels(step: number, real: number): Int32Array {
  const random = randomStream(step, 'labels');
  return Int32Array.from({ length: batchSize }, (_, i) => (i < real ? random.uniformInt(classes) : 0));
}

/** 0.5 to 8 metres, a quarter of the pixels not measured; nothing of a padded example is. */
function depthMap(step: number, real: number): HostTensor {
  const random = randomStream(step, 'depth');
  const data = new Float32Array(batchSize * pixels);
  for (let i = 0; i < real * pixels; i++)
    data[i] = random.uniform() < 0.25 ? 0 : 0.5 * 16 ** random.uniform();
  return hostTensor([batchSize, ...toyVit.imageSize], data);
}
