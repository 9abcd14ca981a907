import { readFileSync } from 'node:fs';
import { referenceBackend } from '@kora-bench/backend-reference';
import { gradients } from '@kora-bench/core/autodiff';
import type { HostTensor, HostTensors, Tensor } from '@kora-bench/core/graph';
import { GraphBuilder, hostTensor } from '@kora-bench/core/graph';
import type { Architecture } from '@kora-bench/core/nn';
import { vitArchitecture } from '@kora-bench/core/nn';
import { add, linear, mul, sum } from '@kora-bench/core/ops';
import { makeProgram } from '@kora-bench/core/passes';
import type { ConfiguredMethod } from '@kora-bench/core/peft';
import { defineMethod, initialValue } from '@kora-bench/core/peft';
import type { EvaluationResult, Evaluator, ModelSpec, Task } from '@kora-bench/core/training';
import {
  buildEvalProgram,
  buildTrainProgram,
  exampleWeightFeed,
  imagesFeed,
  isTrainable,
  joinFlat,
  modelParameters,
  optimizerFeeds,
  parametersState,
  splitFlat,
} from '@kora-bench/core/training';
import { z } from 'zod';

/** A ViT small enough for the interpreter: 2 × 3 patches of width 8, 3 blocks. */
export const toyModel = vitArchitecture({
  name: 'toy',
  imageSize: [8, 12],
  patchSize: 4,
  width: 8,
  depth: 3,
  heads: 2,
  mlpWidth: 16,
  numClasses: 0,
  layerNormEps: 1e-6,
});

/** Trains the head alone. */
export const headAlone = toyMethod({});

/** Changes nothing but the class token after the last norm, as `kora-chain` does. */
export const onFeatures = toyMethod({
  parameters: () => [{ name: 'own', shape: [8, 8], init: { kind: 'normal', std: 0.1 } }],
  attach: ({ parameter }) => ({
    value: ({ kind, value }) => (kind === 'features' ? add(value, linear(value, parameter('own'))) : value),
  }),
});

type Definition = Parameters<typeof defineMethod<unknown>>[0];

function toyMethod(parts: Partial<Definition>): ConfiguredMethod {
  const definition = defineMethod<unknown>({
    name: 'toy',
    description: '',
    source: '',
    options: z.strictObject({}),
    parameters: () => [],
    ...parts,
  });
  return { definition, options: {} };
}

export const batchSize = 3;

export interface ToyRun {
  readonly task: Task;
  readonly targets: HostTensors;
  readonly method?: ConfiguredMethod;
  readonly model?: Architecture;
  readonly learningRate?: number;
}

/** Real numbers around 0, the same for the same name. */
export function noise(name: string, shape: readonly number[], std = 1): HostTensor {
  return hostTensor(shape, initialValue({ name, shape, init: { kind: 'normal', std } }, 3));
}

/** A task on the toy model, on the float64 reference: trains steps on one batch, then predicts. */
export async function openToy({
  task,
  targets,
  method = headAlone,
  model = toyModel,
  learningRate = 0.05,
}: ToyRun) {
  const optimizer = { kind: 'sgd', momentum: 0, weightDecay: 0 } as const;
  const spec: ModelSpec = {
    model,
    method,
    task,
    batchSize,
    stage: 'train',
    trains: (parameter) => isTrainable(parameter, method),
  };
  const values = new Map(
    modelParameters(model, method, task).map((parameter) => {
      const { name, shape, owner } = parameter;
      const isNorm = /norm\d?\.weight$/.test(name);
      const backbone = () => noise(name, shape, 0.3).data.map((value) => value + Number(isNorm));
      const start = owner === 'backbone' ? backbone() : initialValue(parameter, 1);
      return [name, hostTensor(shape, start)] as const;
    }),
  );
  const backend = await referenceBackend.create('cpu', { lower: false });
  const { program, layout } = buildTrainProgram({ ...spec, optimizer });
  const training = await backend.compile(program, values);
  const evaluation = await backend.compile(buildEvalProgram(spec, ['prediction']).program, values);
  const start = joinFlat((name) => values.get(name)!.data as Float32Array, layout);
  const state = await backend.createState({ [parametersState]: start });
  const images = noise('images', [batchSize, 3, ...model.imageSize]);
  const weight = hostTensor([batchSize], new Float64Array(batchSize).fill(1 / batchSize));
  let step = 0;
  const run = (rate: number) =>
    training.run({
      feeds: {
        ...targets,
        ...optimizerFeeds(optimizer, step++, rate),
        [imagesFeed]: images,
        [exampleWeightFeed]: weight,
      },
      state,
      fetch: ['loss', 'gradients'],
    });
  return {
    /** One training step: the loss before it, and the gradient of each parameter. */
    async train(): Promise<{ loss: number; gradients: ReadonlyMap<string, HostTensor> }> {
      const { loss, gradients: flat } = await run(learningRate);
      return { loss: loss!.data[0]!, gradients: splitFlat(flat!, layout) };
    },
    /** The slope of the loss along element `at` of a parameter, by central differences. */
    async slope(name: string, at: number): Promise<number> {
      const current = await state.read(parametersState);
      const place = layout.entries.find((entry) => entry.name === name)!.offset + at;
      const lossAt = async (by: number) => {
        const data = Float64Array.from(current.data);
        data[place]! += by;
        await state.write(parametersState, { ...current, data });
        return (await run(0)).loss!.data[0]!;
      };
      const slope = ((await lossAt(1e-5)) - (await lossAt(-1e-5))) / 2e-5;
      await state.write(parametersState, current);
      return slope;
    },
    async predict(): Promise<HostTensor> {
      const feeds = { [imagesFeed]: images };
      return (await evaluation.run({ feeds, state, fetch: ['prediction'] })).prediction!;
    },
  };
}

/** A loss per example and the gradient of its weighted sum, on the float64 reference. */
export async function lossAndGradient(
  loss: (prediction: Tensor, target: Tensor) => Tensor,
  feeds: {
    readonly prediction: HostTensor;
    readonly target: HostTensor;
    readonly weights: readonly number[];
  },
  lower = false,
): Promise<{ loss: number[]; gradient: number[] }> {
  const builder = new GraphBuilder();
  const { prediction, target, weights } = feeds;
  const x = builder.feed('prediction', prediction.shape);
  const losses = loss(x, builder.feed('target', target.shape, target.dtype as 'f32' | 'i32'));
  const weight = builder.feed('weights', [weights.length]);
  const [dx] = gradients(sum(mul(losses, weight)), [x]);
  const backend = await referenceBackend.create('cpu', { lower });
  const executable = await backend.compile(makeProgram({ losses, dx: dx! }), new Map());
  const fed = { prediction, target, weights: hostTensor([weights.length], Float64Array.from(weights)) };
  const run = await executable.run({ feeds: fed, fetch: ['losses', 'dx'] });
  return { loss: [...run.losses!.data], gradient: [...run.dx!.data] };
}

/** Adds all examples at once, or in batches of `size`. */
export function evaluateIn(
  evaluator: Evaluator,
  prediction: HostTensor,
  targets: HostTensors,
  size = prediction.shape[0]!,
): { result: EvaluationResult; scores: ReadonlyMap<string, number[]> } {
  const scores = new Map<string, number[]>();
  for (let start = 0; start < prediction.shape[0]!; start += size) {
    const cut = (tensor: HostTensor) => examples(tensor, start, start + size);
    const cutTargets = Object.fromEntries(Object.entries(targets).map(([kind, t]) => [kind, cut(t)]));
    const added = evaluator.add({ prediction: cut(prediction), targets: cutTargets });
    for (const [name, values] of Object.entries(added)) {
      scores.set(name, [...(scores.get(name) ?? []), ...Array.from(values)]);
    }
  }
  return { result: evaluator.result(), scores };
}

function examples({ shape, data, dtype }: HostTensor, start: number, end: number): HostTensor {
  const size = data.length / shape[0]!;
  const cut = data.subarray(start * size, end * size);
  return hostTensor([cut.length / size, ...shape.slice(1)], cut, dtype);
}

/** A tensor in a fixture. */
export interface Numbers {
  readonly shape: readonly number[];
  readonly data: readonly number[];
}

export function fixture<T>(name: string): T {
  return JSON.parse(readFileSync(new URL(`./fixtures/${name}.json`, import.meta.url), 'utf8')) as T;
}

export const real = ({ shape, data }: Numbers): HostTensor => hostTensor(shape, Float64Array.from(data));
export const whole = ({ shape, data }: Numbers): HostTensor => hostTensor(shape, Int32Array.from(data));

/** The largest difference of two lists, relative to the largest number in `expected`. */
export function difference(actual: ArrayLike<number>, expected: readonly number[]): number {
  if (actual.length !== expected.length) return Number.POSITIVE_INFINITY;
  const scale = Math.max(...expected.map(Math.abs), 1e-12);
  return Math.max(...expected.map((value, i) => Math.abs(actual[i]! - value))) / scale;
}
