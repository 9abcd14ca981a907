import { referenceBackend } from '@kora-bench/backend-reference';
import type { HostTensor, MethodDefinition, ModelSpec, VitConfig } from '@kora-bench/core';
import {
  buildEvalProgram,
  buildTrainProgram,
  classificationTask,
  initialValue,
  joinFlat,
  modelParameters,
  splitFlat,
  stagesOf,
} from '@kora-bench/core';

/** A ViT small enough for the interpreter: 5 tokens of width 8 in 2 blocks, with a classifier of 7. */
export const toyModel: VitConfig = {
  name: 'toy',
  imageSize: [8, 8],
  patchSize: 4,
  width: 8,
  depth: 2,
  heads: 2,
  mlpWidth: 16,
  numClasses: 7,
  layerNormEps: 1e-6,
};

const batch = 3;
const task = classificationTask(4);
const images: HostTensor = {
  dtype: 'f32',
  shape: [batch, 3, 8, 8],
  data: noise('images', [batch, 3, 8, 8], 1),
};

export type Values = ReadonlyMap<string, HostTensor>;

function noise(name: string, shape: readonly number[], std: number): Float32Array {
  return initialValue({ name, shape, init: { kind: 'normal', std } }, 7);
}

/** Start values of a whole toy model: backbone and head random, the method as it initialises itself. */
export function startValues(
  definition: MethodDefinition,
  given: object = {},
  model = toyModel,
): Map<string, HostTensor> {
  const method = { definition, options: definition.options.parse(given) };
  return new Map(
    modelParameters(model, method, task).map((spec) => {
      const { name, shape, owner } = spec;
      const random = noise(name, shape, owner === 'head' ? 1 : 0.3);
      return [name, { dtype: 'f32', shape, data: owner === 'method' ? initialValue(spec, 1) : random }];
    }),
  );
}

/** Replaces every value of the method by noise, as if it had been trained. */
export function trained(
  values: Values,
  definition: MethodDefinition,
  given: object = {},
): Map<string, HostTensor> {
  const names = new Set(
    definition.parameters(toyModel, definition.options.parse(given)).map(({ name }) => name),
  );
  return new Map(
    [...values].map(([name, value]) => [
      name,
      names.has(name) ? { ...value, data: noise(`trained/${name}`, value.shape, 0.5) } : value,
    ]),
  );
}

function specOf(
  definition: MethodDefinition,
  given: object,
  stage: string | undefined,
  model: VitConfig,
): ModelSpec {
  const method = { definition, options: definition.options.parse(given) };
  const chosen = stagesOf(method).find(({ name }) => name === stage) ?? stagesOf(method).at(-1)!;
  return {
    model,
    method,
    task,
    batchSize: batch,
    stage: chosen.name,
    trains: ({ owner, name }) =>
      owner === 'head' ||
      (owner === 'method'
        ? chosen.trains(name)
        : (definition.trainsBackbone?.(name, method.options) ?? false)),
  };
}

/** Logits `[3, 4]` of the toy model with these values, on the reference backend. */
export async function logits(
  definition: MethodDefinition,
  values: Values,
  given: object = {},
  stage?: string,
) {
  const { program, layout } = buildEvalProgram(specOf(definition, given, stage, toyModel), ['prediction']);
  const backend = await referenceBackend.create('cpu', { lower: false });
  const state = await backend.createState({ parameters: joinFlat((name) => values.get(name)!.data, layout) });
  const { prediction } = await (await backend.compile(program, values)).run({
    feeds: { images },
    state,
    fetch: ['prediction'],
  });
  return [...prediction!.data];
}

/** The largest magnitude of every trainable parameter's gradient in one training step. */
export async function gradientSizes(
  definition: MethodDefinition,
  values: Values,
  given: object = {},
  { stage, model = toyModel }: { stage?: string; model?: VitConfig } = {},
): Promise<Map<string, number>> {
  const spec = specOf(definition, given, stage, model);
  const { program, layout } = buildTrainProgram({
    ...spec,
    optimizer: { kind: 'sgd', momentum: 0, weightDecay: 0 },
  });
  const backend = await referenceBackend.create('cpu', { lower: false });
  const state = await backend.createState({ parameters: joinFlat((name) => values.get(name)!.data, layout) });
  const feeds = {
    images,
    labels: { dtype: 'i32', shape: [batch], data: Int32Array.of(0, 1, 3) },
    exampleWeight: { dtype: 'f32', shape: [batch], data: new Float32Array(batch).fill(1 / batch) },
    learningRate: { dtype: 'f32', shape: [], data: Float32Array.of(0.1) },
  } as const;
  const { gradients } = await (await backend.compile(program, values)).run({
    feeds,
    state,
    fetch: ['gradients'],
  });
  return new Map(
    [...splitFlat(gradients!, layout)].map(([name, { data }]) => [name, Math.max(...data.map(Math.abs))]),
  );
}

/** The largest difference of two equally long lists. */
export function largestDifference(a: readonly number[], b: readonly number[]): number {
  return Math.max(...a.map((value, i) => Math.abs(value - b[i]!)));
}

/** ViT-B/16 at 224 with its ImageNet classifier. */
export const vitBase: VitConfig = {
  name: 'vit_base_patch16_224',
  imageSize: [224, 224],
  patchSize: 16,
  width: 768,
  depth: 12,
  heads: 12,
  mlpWidth: 3072,
  numClasses: 1000,
  layerNormEps: 1e-6,
};
