import type { HostTensor, HostTensors, Program, Shape, Weights } from '@kora-bench/core/graph';
import { GraphBuilder, hostTensor, sizeOf, sourcesOf } from '@kora-bench/core/graph';
import type { Architecture } from '@kora-bench/core/nn';
import { requireSites } from '@kora-bench/core/nn';
import { add, matmul, narrow } from '@kora-bench/core/ops';
import { makeProgram } from '@kora-bench/core/passes';
import type { ConfiguredMethod, MethodDefinition } from '@kora-bench/core/peft';
import { defineMethod, initialValue, lowRankDelta, peftPrefix } from '@kora-bench/core/peft';
import { randomStream } from '@kora-bench/core/random';
import type { ParameterLayout } from '@kora-bench/core/training';
import {
  buildTrainProgram,
  defaultAdamW,
  imagesFeed,
  joinFlat,
  modelParameters,
  optimizerFeeds,
} from '@kora-bench/core/training';
import { classificationTask } from '@kora-bench/tasks';
import { exampleWeights, initialState } from '@kora-bench/trainer';
import { z } from 'zod';
import { vitTiny } from './vit-configs.js';

/*
 * What the backends' own benches time, so that all of them time the same. The method packages are left out on
 * purpose: a bench needs core and this file alone, and a change of a method does not change its figures.
 */

const targets = ['attn.qkv', 'attn.proj', 'mlp.fc1', 'mlp.fc2'] as const;

/** Low-rank adapters on all linear layers, scale 1. Both factors start at random, so that all gradients are live. */
const lora = defineMethod<{ readonly rank: number }>({
  name: 'lora',
  description: 'low-rank adapters on all linear layers',
  source: 'Hu et al. 2022',
  options: z.strictObject({ rank: z.int() }),
  parameters(model, { rank }) {
    const init = { kind: 'normal', std: 0.05 } as const;
    return requireSites(model, targets).flatMap(({ name, inFeatures, outFeatures }) => [
      { name: `${name}.lora_A`, shape: [rank, inFeatures], init },
      { name: `${name}.lora_B`, shape: [outFeatures, rank], init },
    ]);
  },
  attach: ({ parameter }) => ({
    value({ name, kind, input, value }) {
      if (!targets.some((target) => target === kind)) return value;
      return add(value, lowRankDelta(input, parameter(`${name}.lora_A`), parameter(`${name}.lora_B`), 1));
    },
  }),
  peft: {
    type: 'LORA',
    write({ model, options: { rank }, values }) {
      const matrices = requireSites(model, targets).flatMap(({ name }) =>
        ['lora_A', 'lora_B'].map(
          (matrix) => [`${peftPrefix}${name}.${matrix}.weight`, values.get(`${name}.${matrix}`)!] as const,
        ),
      );
      return { config: { r: rank, lora_alpha: rank, target_modules: targets }, tensors: new Map(matrices) };
    },
    read: () => {
      throw new Error('adapters of the benches are not read back');
    },
  },
});

/** A training step with all that it needs. */
export interface TimedStep {
  readonly method: ConfiguredMethod;
  /** Outputs `loss` [], `gradientNorm` [] and `gradients` [P]; updates the states. */
  readonly program: Program;
  /** The trainable parameters in the flat state `parameters` [P]. */
  readonly layout: ParameterLayout;
  /** Random frozen weights by timm's names. */
  readonly weights: Weights;
  /** The states at the start. */
  readonly state: HostTensors;
  /** All feeds of step `step`, counted from 0; the images and labels are the same in every step. */
  feeds(step: number): HostTensors;
}

const plain = (name: string, description: string) =>
  defineMethod<Record<string, never>>({
    name,
    description,
    source: 'standard baseline',
    options: z.strictObject({}),
    parameters: () => [],
  });

/** The methods that are timed, and whether each trains the backbone's own weights. */
const methods = {
  lora: { definition: lora, trainsBackbone: false },
  full: { definition: plain('full', 'all weights'), trainsBackbone: true },
  'linear-probe': { definition: plain('linear-probe', 'the head alone'), trainsBackbone: false },
} as const;

/** What {@link vitTrainStep} trains; by default LoRA of rank 8 and 100 classes on ViT-Ti/16. */
export interface VitStepOptions {
  readonly model?: Architecture;
  readonly rank?: number;
  readonly classes?: number;
  /** Default 1e-3. */
  readonly learningRate?: number;
  /** What trains beside the head: LoRA (scale 1, no dropout) on all linear layers, all weights, or nothing. */
  readonly method?: keyof typeof methods;
}

/**
 * A training step of a ViT with a linear head, cross-entropy and AdamW, with random values that are the same in
 * every call.
 */
export function vitTrainStep(batchSize: number, options: VitStepOptions = {}): TimedStep {
  const { model = vitTiny, rank = 8, classes = 100, learningRate = 1e-3, method: name = 'lora' } = options;
  const { definition, trainsBackbone } = methods[name];
  const method: ConfiguredMethod = {
    definition: definition as MethodDefinition,
    options: name === 'lora' ? { rank } : {},
  };
  const task = classificationTask(classes);
  const { program, layout } = buildTrainProgram({
    model,
    method,
    task,
    batchSize,
    stage: 'all',
    trains: ({ owner }) => trainsBackbone || owner !== 'backbone',
    optimizer: defaultAdamW,
  });
  const normal = normalValues(0, 'bench');
  const backbone = (weight: string, shape: Shape) => {
    const norm = /norm\d?\.weight$/.test(weight);
    return normal(sizeOf(shape), norm ? 0.1 : 0.05, norm ? 1 : 0);
  };
  const weights = new Map(
    sourcesOf(program, 'frozen').map(({ name: weight, node: { shape } }) => [
      weight,
      hostTensor(shape, backbone(weight, shape)),
    ]),
  );
  const specs = new Map(modelParameters(model, method, task).map((spec) => [spec.name, spec]));
  const parameters = joinFlat((parameter) => {
    const spec = specs.get(parameter)!;
    return spec.owner === 'backbone' ? backbone(parameter, spec.shape) : initialValue(spec, 0);
  }, layout);
  const imageShape = [batchSize, 3, ...model.imageSize];
  const images = hostTensor(imageShape, normal(sizeOf(imageShape), 1));
  const label = hostTensor(
    [batchSize],
    Int32Array.from({ length: batchSize }, (_, i) => (i * 7) % classes),
  );
  return {
    method,
    program,
    layout,
    weights,
    state: initialState(parameters, defaultAdamW),
    feeds: (step) => ({
      [imagesFeed]: images,
      label,
      ...exampleWeights(batchSize, batchSize),
      ...optimizerFeeds(defaultAdamW, step, learningRate),
    }),
  };
}

/** The step with low-rank adapters, which most benches time. */
export function vitLoraStep(batchSize: number, options: Omit<VitStepOptions, 'method'> = {}): TimedStep {
  return vitTrainStep(batchSize, { ...options, method: 'lora' });
}

/** A prime, so that no extent of a model divides it and rows of a matrix do not repeat. */
const drawn = 1_048_573;

/**
 * Normal values, as many as asked for, the same ones each time. They are a million draws over and over: fresh
 * ones for a ViT-B/16 would take longer than most that is measured with them.
 */
function normalValues(seed: number, label: string) {
  const random = randomStream(seed, label);
  const draws = Float32Array.from({ length: drawn }, () => random.normal());
  let at = 0;
  return (length: number, std: number, mean = 0): Float32Array => {
    const values = new Float32Array(length);
    for (let i = 0; i < length; i++) {
      values[i] = mean + std * draws[at]!;
      if (++at === drawn) at = 0;
    }
    return values;
  };
}

/** A matrix product with its operands. */
export interface TimedProduct {
  readonly program: Program;
  readonly weights: Weights;
  readonly state: Readonly<Record<'x', HostTensor>>;
  /** Floating-point operations of one run, 2·n³. */
  readonly flops: number;
}

/**
 * The product of a state `x` and a frozen weight `w`, both `[n, n]`: nothing is uploaded in a run.
 * Outputs: `y` `[n, n]` and its first element `corner` `[1, 1]`, which waits for `y` without moving it.
 */
export function matrixProduct(n: number): TimedProduct {
  const builder = new GraphBuilder();
  const y = matmul(builder.state('x', [n, n]), builder.frozen('w', [n, n]));
  const normal = normalValues(0, 'product');
  const matrix = () => hostTensor([n, n], normal(n * n, 1));
  return {
    program: makeProgram({ y, corner: narrow(narrow(y, 0, 0, 1), 1, 0, 1) }),
    weights: new Map([['w', matrix()]]),
    state: { x: matrix() },
    flops: 2 * n ** 3,
  };
}
