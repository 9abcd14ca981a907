import { createOracle, runTraced } from '@kora-bench/conformance';
import type { HostTensor, HostTensors } from '@kora-bench/core/graph';
import { hostTensor } from '@kora-bench/core/graph';
import { vitArchitecture } from '@kora-bench/core/nn';
import type { OptimizerConfig, TrainSpec } from '@kora-bench/core/training';
import {
  buildEvalProgram,
  buildTrainProgram,
  isTrainable,
  optimizerFeeds,
  optimizerStates,
  splitFlat,
} from '@kora-bench/core/training';
import full from '@kora-bench/method-full';
import { classificationTask } from '@kora-bench/tasks';
import { describe, expect, it } from 'vitest';
import { f64, relativeDifference } from './float64-inputs.js';
import { readFixture } from './read-fixture.js';

interface TimmVit {
  weights: Record<string, number[]>;
  images: number[];
  labels: number[];
  exampleWeight: number[];
  labelSmoothing: number;
  logits: number[];
  features: number[];
  gradients: Record<string, number[]>;
  training: {
    learningRate: number;
    weightDecay: number;
    clipNorm: number;
    losses: number[];
    gradientNorms: number[];
  };
}

const timm = readFixture<TimmVit>('timm-vit-training');

/** Not square, so that rows and columns of patches cannot be mistaken for each other. */
const model = vitArchitecture({
  name: 'timm fixture',
  imageSize: [8, 12],
  patchSize: 4,
  width: 8,
  depth: 2,
  heads: 2,
  mlpWidth: 16,
  numClasses: 5,
  layerNormEps: 1e-6,
});

const adamw: OptimizerConfig = {
  kind: 'adamw',
  beta1: 0.9,
  beta2: 0.999,
  eps: 1e-8,
  weightDecay: timm.training.weightDecay,
};
/** The fixture's AdamW decays all weights alike. */
const method = { definition: { ...full, backboneUpdate: () => ({}) }, options: {} };
const spec: TrainSpec = {
  model,
  method,
  task: classificationTask(5, timm.labelSmoothing),
  batchSize: 3,
  stage: 'train',
  trains: (parameter) => isTrainable(parameter, method),
  optimizer: adamw,
  clipNorm: timm.training.clipNorm,
};

const batch: HostTensors = {
  images: f64([3, 3, 8, 12], timm.images),
  label: hostTensor([3], Int32Array.from(timm.labels)),
  exampleWeight: f64([3], timm.exampleWeight),
};

describe('a ViT of timm, all weights trained', () => {
  it('has timm’s names', () => {
    expect([...model.weights.keys(), ...model.classifier.keys()].sort()).toEqual(
      Object.keys(timm.weights).sort(),
    );
  });

  it('gives timm’s features and logits', async () => {
    const { program, layout } = buildEvalProgram(spec, ['prediction', 'features']);
    const { parameters } = startState(layout);
    const { images } = batch;
    const got = await runTraced(await createOracle(), {
      program,
      feeds: { images: images! },
      state: { parameters: parameters! },
      weights: new Map(),
    });
    expect(relativeDifference(got.features!.data, timm.features)).toBeLessThan(1e-8);
    expect(relativeDifference(got.prediction!.data, timm.logits)).toBeLessThan(1e-8);
  });

  it('gives PyTorch’s gradient of every weight', async () => {
    const { gradients, layout, unreached } = await step();
    expect(unreached).toEqual([]);
    const byName = splitFlat(gradients, layout);
    expect([...byName.keys()].sort()).toEqual(Object.keys(timm.gradients).sort());
    const worst = [...byName].map(([name, { data }]) => {
      const expected = timm.gradients[name]!;
      return { name, error: differenceOfGradients(data, expected) };
    });
    expect(worst.filter(({ error }) => !(error < 1e-9))).toEqual([]);
  });

  it('gives PyTorch’s losses and gradient norms over six steps of AdamW with clipping', async () => {
    const { losses, norms } = await train(timm.training.losses.length);
    expect(relativeDifference(losses, timm.training.losses)).toBeLessThan(1e-8);
    expect(relativeDifference(norms, timm.training.gradientNorms)).toBeLessThan(1e-8);
  });
});

/** Relative to the gradient's largest element, but for gradients that are zero in exact arithmetic. */
function differenceOfGradients(actual: ArrayLike<number>, expected: readonly number[]): number {
  const largest = expected.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  const error = expected.reduce((most, value, i) => Math.max(most, Math.abs(actual[i]! - value)), 0);
  return actual.length === expected.length ? error / Math.max(largest, 1e-6) : Infinity;
}

/** All parameters in float64, so that the oracle starts from exactly PyTorch's numbers. */
function startState(layout: ReturnType<typeof buildTrainProgram>['layout']): Record<string, HostTensor> {
  const flat = layout.entries.flatMap(({ name }) => timm.weights[name]!);
  const zeros = f64([layout.length], new Float64Array(layout.length));
  return {
    parameters: f64([layout.length], flat),
    ...Object.fromEntries(optimizerStates(adamw).map((name) => [name, zeros])),
  };
}

async function step() {
  const { program, layout, unreached } = buildTrainProgram(spec);
  const feeds = { ...batch, ...optimizerFeeds(adamw, 0, timm.training.learningRate) };
  const state = startState(layout);
  const { gradients } = await runTraced(await createOracle(), { program, feeds, state, weights: new Map() });
  return { gradients: gradients!, layout, unreached };
}

async function train(steps: number) {
  const { program, layout } = buildTrainProgram(spec);
  const backend = await createOracle();
  const executable = await backend.compile(program, new Map());
  const state = await backend.createState(startState(layout));
  const [losses, norms]: [number[], number[]] = [[], []];
  for (let i = 0; i < steps; i++) {
    const feeds = { ...batch, ...optimizerFeeds(adamw, i, timm.training.learningRate) };
    const { loss, gradientNorm } = await executable.run({ feeds, state, fetch: ['loss', 'gradientNorm'] });
    losses.push(loss!.data[0]!);
    norms.push(gradientNorm!.data[0]!);
  }
  return { losses, norms };
}
