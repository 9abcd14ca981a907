import { referenceBackend } from '@kora-bench/backend-reference';
import { InputError } from '@kora-bench/core/errors';
import type { HostData, HostTensor } from '@kora-bench/core/graph';
import { hostTensor } from '@kora-bench/core/graph';
import type { Architecture } from '@kora-bench/core/nn';
import type { MethodDefinition } from '@kora-bench/core/peft';
import { defineMethod, initialValue, noiseFeeds, stagesOf } from '@kora-bench/core/peft';
import type { ModelSpec, OptimizerConfig, ParameterLayout, Task } from '@kora-bench/core/training';
import {
  buildEvalProgram,
  buildTrainProgram,
  exampleWeightFeed,
  imagesFeed,
  joinFlat,
  modelParameters,
  optimizerFeeds,
  parametersState,
  trainsInStage,
} from '@kora-bench/core/training';
import { classificationTask } from '@kora-bench/tasks';
import { initializeMethod, initialState, WeightStore } from '@kora-bench/trainer';
import { z } from 'zod';
import { toyVit } from './vit-configs.js';

/** The task of every question: 4 classes, asked about one batch of 3 images. */
export const toyTask: Task = classificationTask(4);
const batchSize = 3;
const label = hostTensor([batchSize], Int32Array.of(0, 1, 3));
const exampleWeight = hostTensor([batchSize], new Float32Array(batchSize).fill(1 / batchSize));

/** Values of a whole model by name: backbone, head and method. */
export type Values = ReadonlyMap<string, HostTensor>;

/** Where a question is asked. Questions throw an InputError about a stage that the method does not have. */
export interface AskedAt {
  /** The method's stage; the last one by default, which is what a trained model runs. */
  readonly stage?: string | undefined;
  /** The backbone; {@link toyVit} by default. */
  readonly model?: Architecture;
}

/** The backbone by itself with the head, as a method that adds nothing: what others are compared with. */
export const plainBackbone: MethodDefinition = defineMethod({
  name: 'plain-backbone',
  description: 'The backbone as it is.',
  source: '',
  options: z.object({}),
  parameters: () => [],
});

/**
 * Start values of a whole model: backbone and head at random, the method as it initialises itself.
 * @param given options of the method, as in a configuration
 */
export async function startValues(
  definition: MethodDefinition,
  given: object = {},
  model: Architecture = toyVit,
): Promise<Map<string, HostTensor>> {
  const method = { definition, options: definition.options.parse(given) };
  const weights = new WeightStore({ tensors: new Map(), fingerprint: '' });
  for (const { name, shape, owner } of modelParameters(model, method, toyTask)) {
    if (owner !== 'method')
      weights.set(name, hostTensor(shape, noise(name, shape, owner === 'head' ? 1 : 0.3)));
  }
  await initializeMethod({ model, method, seed: 1 }, weights);
  return new Map(weights.values);
}

/** Replaces every value of the method by noise (standard deviation 0.5), as if it had been trained. */
export function trainedValues(
  values: Values,
  definition: MethodDefinition,
  given: object = {},
  model: Architecture = toyVit,
): Map<string, HostTensor> {
  const own = definition.parameters(model, definition.options.parse(given));
  const names = new Set(own.filter(({ constant }) => constant !== true).map(({ name }) => name));
  return new Map(
    [...values].map(([name, value]) => [
      name,
      names.has(name) ? { ...value, data: noise(`trained/${name}`, value.shape, 0.5) } : value,
    ]),
  );
}

/** Logits `[3, 4]`, row by row, of a model with these values on the reference backend. */
export async function logits(
  definition: MethodDefinition,
  values: Values,
  given: object = {},
  at: AskedAt = {},
): Promise<number[]> {
  const spec = specOf(definition, given, at);
  const { program, layout } = buildEvalProgram(spec, ['prediction']);
  const backend = await createReference();
  const state = await backend.createState({
    [parametersState]: joinFlat((name) => values.get(name)!.data, layout),
  });
  const executable = await backend.compile(program, values);
  const feeds = { [imagesFeed]: imagesFor(spec.model) };
  const { prediction } = await executable.run({ feeds, state, fetch: ['prediction'] });
  return [...prediction!.data];
}

/** The largest magnitude of every trainable parameter's gradient in one training step. */
export async function gradientSizes(
  definition: MethodDefinition,
  values: Values,
  given: object = {},
  at: AskedAt = {},
): Promise<Map<string, number>> {
  const { layout, start, step } = await toyTraining(specOf(definition, given, at), values, plainSgd);
  const { gradients } = await step(start);
  return new Map(
    layout.entries.map(({ name, offset, size }) => [
      name,
      Math.max(...gradients.subarray(offset, offset + size).map(Math.abs)),
    ]),
  );
}

/** How far autodiff is from central differences in one parameter. */
export interface DifferentiationError {
  readonly parameter: string;
  /** |autodiff − central difference| along a random direction of the parameter. */
  readonly error: number;
  /** The size that the derivative has along such a direction, ‖gradient‖₂. */
  readonly scale: number;
}

/**
 * Compares the gradient of every trainable parameter with central differences of the loss in float64, (L(p + h·d)
 * − L(p − h·d)) / 2h along one random direction d per parameter: a single wrong element shows in it.
 */
export async function differentiationErrors(
  definition: MethodDefinition,
  values: Values,
  given: object = {},
  at: AskedAt = {},
): Promise<DifferentiationError[]> {
  const { layout, start, step } = await toyTraining(specOf(definition, given, at), values, plainSgd);
  const { gradients } = await step(start);
  const h = 1e-5;
  const errors: DifferentiationError[] = [];
  for (const { name, offset, size } of layout.entries) {
    const direction = noise(`direction/${name}`, [size], 1);
    const lossAt = async (length: number) => {
      const moved = Float64Array.from(start);
      for (let i = 0; i < size; i++) moved[offset + i]! += length * direction[i]!;
      return (await step(moved)).loss;
    };
    const numeric = ((await lossAt(h)) - (await lossAt(-h))) / (2 * h);
    const own = gradients.subarray(offset, offset + size);
    const analytic = direction.reduce((total, value, i) => total + value * own[i]!, 0);
    errors.push({ parameter: name, error: Math.abs(numeric - analytic), scale: Math.hypot(...own) });
  }
  return errors;
}

/** What a short training did. */
export interface ShortTraining {
  /** The loss of every step, before its update. */
  readonly losses: readonly number[];
  /** Trainable parameters that ended exactly where they started. */
  readonly unmoved: readonly string[];
}

/** Trains on one batch for `steps` steps: AdamW without weight decay at a learning rate of 0.01. */
export async function shortTraining(
  definition: MethodDefinition,
  values: Values,
  given: object = {},
  { steps = 20, ...at }: AskedAt & { readonly steps?: number } = {},
): Promise<ShortTraining> {
  const spec = specOf(definition, given, at);
  const adamw = { kind: 'adamw', beta1: 0.9, beta2: 0.999, eps: 1e-8, weightDecay: 0 } as const;
  const { layout, start, train } = await toyTraining(spec, values, adamw);
  const { losses, parameters } = await train(steps);
  const unmoved = layout.entries
    .filter(({ offset, size }) =>
      parameters.subarray(offset, offset + size).every((value, i) => value === start[offset + i]),
    )
    .map(({ name }) => name);
  return { losses, unmoved };
}

/** The largest difference of two equally long lists. */
export function largestDifference(a: readonly number[], b: readonly number[]): number {
  return Math.max(...a.map((value, i) => Math.abs(value - b[i]!)));
}

const plainSgd: OptimizerConfig = { kind: 'sgd', momentum: 0, weightDecay: 0 };

interface ToyTraining {
  readonly layout: ParameterLayout;
  /** All trainable parameters at the start, `[P]`. */
  readonly start: Float64Array;
  /** Loss and gradients `[P]` at `parameters` `[P]`. */
  step(parameters: Float64Array): Promise<{ readonly loss: number; readonly gradients: HostData }>;
  /** Trains from the start. */
  train(steps: number): Promise<{ readonly losses: readonly number[]; readonly parameters: HostData }>;
}

/** One training step, compiled; all in float64. */
async function toyTraining(
  spec: ModelSpec,
  values: Values,
  optimizer: OptimizerConfig,
): Promise<ToyTraining> {
  const { program, layout, noise } = buildTrainProgram({ ...spec, optimizer });
  const backend = await createReference();
  const executable = await backend.compile(program, values);
  const start = Float64Array.from(joinFlat((name) => values.get(name)!.data, layout).data);
  const stateAt = (parameters: Float64Array) => {
    return backend.createState(initialState(hostTensor([layout.length], parameters), optimizer));
  };
  const feedsOf = (step: number) => ({
    [imagesFeed]: imagesFor(spec.model),
    label,
    [exampleWeightFeed]: exampleWeight,
    ...optimizerFeeds(optimizer, step, 0.01),
    ...noiseFeeds(noise, 1, step),
  });
  return {
    layout,
    start,
    async step(parameters) {
      const state = await stateAt(parameters);
      const found = await executable.run({ feeds: feedsOf(0), state, fetch: ['loss', 'gradients'] });
      return { loss: found.loss!.data[0]!, gradients: found.gradients!.data };
    },
    async train(steps) {
      const state = await stateAt(start);
      const losses: number[] = [];
      for (let step = 0; step < steps; step++) {
        const { loss } = await executable.run({ feeds: feedsOf(step), state, fetch: ['loss'] });
        losses.push(loss!.data[0]!);
      }
      return { losses, parameters: (await state.read(parametersState)).data };
    },
  };
}

function specOf(definition: MethodDefinition, given: object, { stage, model = toyVit }: AskedAt): ModelSpec {
  const method = { definition, options: definition.options.parse(given) };
  const stages = stagesOf(method);
  const chosen = stage === undefined ? stages.at(-1) : stages.find(({ name }) => name === stage);
  if (chosen === undefined) {
    throw new InputError(`The method ${definition.name} has no stage "${stage}".`, {
      expected: stages.map(({ name }) => name).join(', '),
      received: stage ?? 'nothing',
    });
  }
  return {
    model,
    method,
    task: toyTask,
    batchSize,
    stage: chosen.name,
    trains: (parameter) => trainsInStage(parameter, method, chosen),
  };
}

/** The interpreter, every composite by its own definition. */
function createReference() {
  return referenceBackend.create('cpu', { lower: false });
}

function imagesFor({ imageSize }: Architecture): HostTensor {
  const shape = [batchSize, 3, ...imageSize];
  return hostTensor(shape, noise('images', shape, 1));
}

function noise(name: string, shape: readonly number[], std: number): Float32Array {
  return initialValue({ name, shape, init: { kind: 'normal', std } }, 7);
}
