import type {
  HostTensor,
  HostTensors,
  ParameterLayout,
  Program,
  Shape,
  SiteHook,
  VitConfig,
  Weights,
} from '@kora-bench/core';
import {
  add,
  buildTrainProgram,
  defaultAdamW,
  defineMethod,
  exampleWeightFeed,
  GraphBuilder,
  hostTensor,
  imagesFeed,
  initialValue,
  joinFlat,
  lowRankDelta,
  makeProgram,
  matmul,
  modelParameters,
  narrow,
  optimizerFeeds,
  randomStream,
  sizeOf,
  sourcesOf,
} from '@kora-bench/core';
import { classificationTask } from '@kora-bench/tasks';
import { initialState } from '@kora-bench/trainer';
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
  parameters({ depth, width, mlpWidth }, { rank }) {
    const extents: Readonly<Record<(typeof targets)[number], readonly [number, number]>> = {
      'attn.qkv': [width, 3 * width],
      'attn.proj': [width, width],
      'mlp.fc1': [width, mlpWidth],
      'mlp.fc2': [mlpWidth, width],
    };
    const init = { kind: 'normal', std: 0.05 } as const;
    return Array.from({ length: depth }, (_, block) =>
      targets.flatMap((layer) => {
        const [inFeatures, outFeatures] = extents[layer];
        const name = `blocks.${block}.${layer}`;
        return [
          { name: `${name}.lora_A`, shape: [rank, inFeatures], init },
          { name: `${name}.lora_B`, shape: [outFeatures, rank], init },
        ];
      }),
    ).flat();
  },
  attach({ parameter }): SiteHook {
    return ({ name, layer, input, value }) => {
      if (!targets.some((target) => target === layer)) return value;
      return add(value, lowRankDelta(input, parameter(`${name}.lora_A`), parameter(`${name}.lora_B`), 1));
    };
  },
});

/** A training step with all that it needs. */
export interface TimedStep {
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

/** What {@link vitLoraStep} trains; by default rank 8 and 100 classes on ViT-Ti/16. */
export interface VitLoraOptions {
  readonly model?: VitConfig;
  readonly rank?: number;
  readonly classes?: number;
}

/**
 * A training step of a ViT with LoRA (scale 1, no dropout) and a linear head, cross-entropy and AdamW at a
 * learning rate of 1e-3, with random values that are the same in every call.
 */
export function vitLoraStep(
  batchSize: number,
  { model = vitTiny, rank = 8, classes = 100 }: VitLoraOptions = {},
): TimedStep {
  const method = { definition: lora, options: { rank } };
  const task = classificationTask(classes);
  const { program, layout } = buildTrainProgram({
    model,
    method,
    task,
    batchSize,
    stage: 'all',
    trains: ({ owner }) => owner !== 'backbone',
    optimizer: defaultAdamW,
  });
  const random = randomStream(0, 'bench');
  const normal = (shape: Shape, std: number, mean = 0): HostTensor =>
    hostTensor(
      shape,
      Float32Array.from({ length: sizeOf(shape) }, () => mean + std * random.normal()),
    );
  const weights = new Map(
    sourcesOf(program, 'frozen').map(({ name, node }) => {
      const norm = /norm\d?\.weight$/.test(name);
      return [name, normal(node.shape, norm ? 0.1 : 0.05, norm ? 1 : 0)];
    }),
  );
  const specs = new Map(modelParameters(model, method, task).map((spec) => [spec.name, spec]));
  const parameters = joinFlat((name) => initialValue(specs.get(name)!, 0), layout);
  const images = normal([batchSize, 3, ...model.imageSize], 1);
  const label = hostTensor(
    [batchSize],
    Int32Array.from({ length: batchSize }, (_, i) => (i * 7) % classes),
  );
  const exampleWeight = hostTensor([batchSize], new Float32Array(batchSize).fill(1 / batchSize));
  return {
    program,
    layout,
    weights,
    state: initialState(parameters, defaultAdamW),
    feeds: (step) => ({
      [imagesFeed]: images,
      label,
      [exampleWeightFeed]: exampleWeight,
      ...optimizerFeeds(defaultAdamW, step, 1e-3),
    }),
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
  const matrix = (phase: number) =>
    hostTensor(
      [n, n],
      Float32Array.from({ length: n * n }, (_, i) => Math.sin(i + phase)),
    );
  return {
    program: makeProgram({ y, corner: narrow(narrow(y, 0, 0, 1), 1, 0, 1) }),
    weights: new Map([['w', matrix(1)]]),
    state: { x: matrix(0) },
    flops: 2 * n ** 3,
  };
}
