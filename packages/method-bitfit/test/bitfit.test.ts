import { readFileSync } from 'node:fs';
import { partitionFrozenPrefix } from '@kora-bench/core/passes';
import {
  buildTrainProgram,
  defaultAdamW,
  imagesFeed,
  isTrainable,
  modelParameters,
} from '@kora-bench/core/training';
import bitfit from '@kora-bench/method-bitfit';
import { toyTask } from '@kora-bench/testing/method-questions';
import { describeMethod } from '@kora-bench/testing/method-suite';
import { replayTraining } from '@kora-bench/testing/replay-training';
import { toyVit } from '@kora-bench/testing/vit-configs';
import { expect, test } from 'vitest';

/** Biases of a block of ViT-B/16: two norms, qkv, the projection and the MLP. */
const perBlock = 2 * 768 + 3 * 768 + 768 + 3072 + 768;

describeMethod(bitfit, {
  forms: { 'of the norms': { layers: ['norm1', 'norm2', 'norm'] } },
  refused: [
    [{ layers: [] }, /layers/],
    [{ layers: ['norm1', 'norm1'] }, /names a layer twice/],
    [{ layers: 'none' }, /layers/],
    [{ biases: 'all' }, /biases/],
  ],
  counts: [
    [{}, 768 + 12 * perBlock + 768 + 76_900],
    [bitfit.presets!.linear!, 12 * (3 * 768 + 768 + 3072 + 768) + 76_900],
  ],
});

test('three steps are those of PyTorch with gradients for the biases alone', async () => {
  const file = readFileSync(new URL('fixtures/pytorch.safetensors', import.meta.url));
  const { losses, parameters } = await replayTraining(bitfit, {}, file);
  expect(losses).toBeLessThan(1e-6);
  for (const [parameter, difference] of parameters) expect(difference, parameter).toBeLessThan(1e-6);
});

test('only what is named trains, without weight decay', () => {
  const method = { definition: bitfit, options: bitfit.options.parse({ layers: ['attn.qkv', 'norm'] }) };
  const trained = modelParameters(toyVit, method, toyTask).filter(
    (parameter) => parameter.owner === 'backbone' && isTrainable(parameter, method),
  );
  expect(trained.map(({ name }) => name)).toEqual([
    'blocks.0.attn.qkv.bias',
    'blocks.1.attn.qkv.bias',
    'norm.bias',
  ]);
  for (const { name, update } of trained) expect(update, name).toEqual({ weightDecay: 0 });
});

test('where only the last norm’s biases train, all blocks are a frozen prefix', () => {
  const method = { definition: bitfit, options: bitfit.options.parse({ layers: ['norm'] }) };
  const { program } = buildTrainProgram({
    model: toyVit,
    method,
    task: toyTask,
    batchSize: 2,
    stage: 'train',
    trains: (parameter) => isTrainable(parameter, method),
    optimizer: defaultAdamW,
  });
  const { prefix, rest } = partitionFrozenPrefix(program, new Set([imagesFeed]))!;
  const attends = ({ nodes }: typeof rest) => nodes.filter(({ op }) => op.kind === 'attention').length;
  expect([attends(prefix), attends(rest)]).toEqual([2, 0]);
});

test('a layer without a bias, and a model without any, are refused by name', () => {
  const options = bitfit.options.parse({ layers: ['attn.qvk'] });
  expect(() => bitfit.parameters(toyVit, options)).toThrow(/toy-vit has no bias in a layer "attn\.qvk"/);
  const weights = new Map([...toyVit.weights].filter(([name]) => !name.endsWith('.bias')));
  const bare = { ...toyVit, weights };
  expect(() => bitfit.parameters(bare, bitfit.options.parse({}))).toThrow(/toy-vit has no biases/);
});
