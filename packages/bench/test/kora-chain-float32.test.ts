import onnxruntime from '@kora-bench/backend-ort';
import { hostTensor } from '@kora-bench/core/graph';
import { vitArchitecture } from '@kora-bench/core/nn';
import { initialValue } from '@kora-bench/core/peft';
import type { OptimizerConfig } from '@kora-bench/core/training';
import {
  buildTrainProgram,
  exampleWeightFeed,
  imagesFeed,
  isTrainable,
  joinFlat,
  optimizerFeeds,
} from '@kora-bench/core/training';
import koraChain from '@kora-bench/method-kora-chain';
import { startValues, toyTask } from '@kora-bench/testing/method-questions';
import { toyVitConfig } from '@kora-bench/testing/vit-configs';
import { initialState } from '@kora-bench/trainer';
import { expect, test } from 'vitest';

const model = vitArchitecture({ ...toyVitConfig, depth: 12 });
const optimizer: OptimizerConfig = { kind: 'sgd', momentum: 0, weightDecay: 0 };

/** The largest gradient of B of the first layer of 48 at the start, computed in float32. */
async function gradientOfFirstLayer(given: object): Promise<number> {
  const method = { definition: koraChain, options: koraChain.options.parse(given) };
  const values = await startValues(koraChain, given, model);
  const { program, layout } = buildTrainProgram({
    ...{ model, method, task: toyTask, batchSize: 3, stage: 'train', optimizer },
    trains: (parameter) => isTrainable(parameter, method),
  });
  const backend = await onnxruntime.create('cpu', onnxruntime.options.parse({}));
  const executable = await backend.compile(program, values);
  const parameters = joinFlat((name) => values.get(name)!.data, layout);
  const state = await backend.createState(initialState(parameters, optimizer));
  const shape = [3, 3, ...model.imageSize];
  const feeds = {
    [imagesFeed]: hostTensor(
      shape,
      initialValue({ name: 'images', shape, init: { kind: 'normal', std: 1 } }, 7),
    ),
    label: hostTensor([3], Int32Array.of(0, 1, 3)),
    [exampleWeightFeed]: hostTensor([3], new Float32Array(3).fill(1 / 3)),
    ...optimizerFeeds(optimizer, 0, 0.01),
  };
  const { gradients } = await executable.run({ feeds, state, fetch: ['gradients'] });
  await state.dispose();
  await executable.dispose();
  await backend.dispose();
  const { offset, size } = layout.entries.find(({ name }) => name === 'blocks.0.attn.qkv.lora_B')!;
  return Math.max(...[...gradients!.data.subarray(offset, offset + size)].map(Math.abs));
}

test('as published no gradient reaches the first layer in float32', async () => {
  expect(await gradientOfFirstLayer({})).toBe(0);
});

test.each(['residual', 'normalized', 'orthogonal', 'read-out'])('%s: one does', async (preset) => {
  const size = await gradientOfFirstLayer(koraChain.presets![preset]!);
  expect(size).toBeGreaterThan(1e-6);
  expect(size).toBeLessThan(10);
});
