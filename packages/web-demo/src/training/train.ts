import type {
  Backend,
  DeviceState,
  Executable,
  HostTensors,
  ParameterLayout,
  Weights,
} from '@kora-bench/core';
import {
  buildTrainProgram,
  exampleWeightFeed,
  hostTensor,
  imagesFeed,
  initialValue,
  joinFlat,
  learningRateAt,
  modelParameters,
  optimizerFeeds,
  optimizerStates,
  parametersState,
  stagesOf,
  TrainingError,
} from '@kora-bench/core';
import type { Batch } from './batches.js';
import { trainingBatches } from './batches.js';
import * as recipe from './recipe.js';

export type TrainingEvent =
  | { readonly kind: 'compiled' }
  | {
      readonly kind: 'step';
      /** From 0. */
      readonly step: number;
      /** Mean cross-entropy of the batch before this step's update. */
      readonly loss: number;
      /** Wall-clock time of the step, its loss read back. */
      readonly seconds: number;
      readonly batch: Batch;
    };

/**
 * Trains the recipe's model with LoRA on any backend, in Node and in a page alike, and tells each step.
 * @param backbone the frozen weights, of `readBackbone`
 * @throws BackendError when the backend fails
 * @throws TrainingError when a loss is not finite
 */
export async function* train(
  backend: Backend,
  backbone: Weights,
): AsyncGenerator<TrainingEvent, void, undefined> {
  const { model, method, task, batchSize, optimizer, clipNorm } = recipe;
  const { program, layout } = buildTrainProgram({
    model,
    method,
    task,
    batchSize,
    stage: stagesOf(method)[0]!.name,
    trains: ({ owner }) => owner !== 'backbone',
    optimizer,
    clipNorm,
  });
  const executable = await backend.compile(program, backbone);
  try {
    yield { kind: 'compiled' };
    yield* trainSteps(executable, await backend.createState(initialState(layout)));
  } finally {
    await executable.dispose();
  }
}

function initialState(layout: ParameterLayout): HostTensors {
  const { model, method, task, seed, optimizer } = recipe;
  const specs = new Map(modelParameters(model, method, task).map((spec) => [spec.name, spec]));
  const zeros = hostTensor([layout.length], new Float32Array(layout.length));
  return {
    [parametersState]: joinFlat((name) => initialValue(specs.get(name)!, seed), layout),
    ...Object.fromEntries(optimizerStates(optimizer).map((name) => [name, zeros])),
  };
}

async function* trainSteps(
  executable: Executable,
  state: DeviceState,
): AsyncGenerator<TrainingEvent, void, undefined> {
  try {
    let step = 0;
    for (const batch of trainingBatches()) {
      const started = performance.now();
      const { loss } = await executable.run({ feeds: feedsOf(batch, step), state, fetch: ['loss'] });
      const value = loss!.data[0]!;
      requireFinite(value, step);
      yield { kind: 'step', step, loss: value, seconds: (performance.now() - started) / 1000, batch };
      step++;
    }
  } finally {
    await state.dispose();
  }
}

function feedsOf({ images, labels }: Batch, step: number): HostTensors {
  const { model, task, batchSize, optimizer, warmup, learningRate, steps } = recipe;
  const target = task.target(model, batchSize);
  const rate = learningRateAt({ kind: 'constant', warmup }, learningRate, step, steps);
  return {
    [imagesFeed]: hostTensor([batchSize, 3, ...model.imageSize], images),
    [target.name]: hostTensor(target.shape, labels),
    [exampleWeightFeed]: hostTensor([batchSize], new Float32Array(batchSize).fill(1 / batchSize)),
    ...optimizerFeeds(optimizer, step, rate),
  };
}

function requireFinite(loss: number, step: number): void {
  if (Number.isFinite(loss)) return;
  throw new TrainingError(`The loss is ${loss} at step ${step + 1}.`, {
    expected: 'a finite loss',
    received: String(loss),
    where: `step ${step + 1}`,
    fix: 'The same recipe trains on other drivers: update this one, and report it if that does not help.',
  });
}
