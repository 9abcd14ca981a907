import { readFileSync } from 'node:fs';
import { modelParameters } from '@kora-bench/core/training';
import ia3 from '@kora-bench/method-ia3';
import { toyTask } from '@kora-bench/testing/method-questions';
import { describeMethod } from '@kora-bench/testing/method-suite';
import { replayTraining } from '@kora-bench/testing/replay-training';
import { toyVit } from '@kora-bench/testing/vit-configs';
import { expect, test } from 'vitest';

describeMethod(ia3, {
  forms: {
    'on inputs and outputs': { targets: ['attn.qkv', 'attn.proj', 'mlp.fc1'], feedforward: ['attn.proj'] },
    'on outputs alone': { targets: ['mlp.fc2'], feedforward: [] },
  },
  refused: [
    [{ targets: [] }, /targets/],
    [{ targets: ['attn.k', 'attn.k'] }, /names a layer twice/],
    [{ targets: ['attn.qkv', 'attn.v'] }, /one of its own parts/],
    [{ targets: ['attn.k'], feedforward: ['mlp.fc2'] }, /not among the targets/],
    [{ targets: ['mlp.act'] }, /targets/],
    [{ init: 1 }, /init/],
  ],
  counts: [
    [{}, 12 * (768 + 768 + 3072) + 76_900],
    [ia3.presets!.attention!, 12 * 2 * 768 + 76_900],
  ],
});

test('three steps are those of peft on query, key and value as layers of their own', async () => {
  const file = readFileSync(new URL('fixtures/peft.safetensors', import.meta.url));
  const { losses, parameters } = await replayTraining(ia3, {}, file);
  expect(losses).toBeLessThan(1e-6);
  for (const [parameter, difference] of parameters) expect(difference, parameter).toBeLessThan(1e-6);
});

test('scales have no weight decay', () => {
  const method = { definition: ia3, options: ia3.options.parse({}) };
  const own = modelParameters(toyVit, method, toyTask).filter(({ owner }) => owner === 'method');
  expect(own.map(({ name }) => name)).toContain('blocks.1.mlp.fc2.ia3_l');
  for (const { name, update } of own) expect(update, name).toEqual({ weightDecay: 0 });
});

test('a model without a layer that is to be scaled is refused by name', () => {
  const model = { ...toyVit, sites: toyVit.sites.filter(({ kind }) => kind !== 'attn.k') };
  expect(() => ia3.parameters(model, ia3.options.parse({}))).toThrow(/toy-vit has no site "attn\.k"/);
});
