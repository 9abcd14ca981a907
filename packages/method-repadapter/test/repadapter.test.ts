import { readFileSync } from 'node:fs';
import { canMerge } from '@kora-bench/core/training';
import repAdapter from '@kora-bench/method-repadapter';
import {
  largestDifference,
  logits,
  shortTraining,
  startValues,
  trainedValues,
} from '@kora-bench/testing/method-questions';
import { describeMethod } from '@kora-bench/testing/method-suite';
import { replayTraining } from '@kora-bench/testing/replay-training';
import { toyVit } from '@kora-bench/testing/vit-configs';
import { expect, test } from 'vitest';

/** Of two adapters in each block. */
const weights = 12 * 2 * (8 * 768 + 768 * 4);
const biases = 12 * 2 * (8 + 768);

describeMethod(repAdapter, {
  forms: {
    'dense and before attention alone': { groups: 1, bottleneck: 5, targets: ['attn.qkv'], scale: 2 },
  },
  refused: [
    [{ bottleneck: 0 }, /bottleneck/],
    [{ bottleneck: 5 }, /not a multiple of groups/],
    [{ groups: 0 }, /groups/],
    [{ scale: 0 }, /scale/],
    [{ dropout: 1 }, /dropout/],
    [{ targets: ['mlp.fc2'] }, /targets/],
    [{ targets: ['mlp.fc1', 'mlp.fc1'] }, /names a layer twice/],
    [{ rank: 8 }, /rank/],
  ],
  counts: [
    [{}, weights + biases + 76_900],
    [{ groups: 1, targets: ['attn.qkv'] }, 12 * (2 * 8 * 768 + 8 + 768) + 76_900],
  ],
});

test('three steps are those of the formula in PyTorch', async () => {
  const file = readFileSync(new URL('fixtures/pytorch.safetensors', import.meta.url));
  const { losses, parameters } = await replayTraining(repAdapter, { bottleneck: 4, scale: 0.7 }, file);
  expect(losses).toBeLessThan(1e-6);
  for (const [parameter, difference] of parameters) expect(difference, parameter).toBeLessThan(1e-6);
});

test('with dropout the adapters act on values instead of weights, and train the same where nothing is dropped', async () => {
  const values = await startValues(repAdapter);
  const { losses } = await shortTraining(repAdapter, values, { dropout: 0 });
  const dropping = await shortTraining(repAdapter, values, { dropout: 1e-12 });
  expect(largestDifference(dropping.losses, losses)).toBeLessThan(1e-8);
});

test('before a layer without a bias it acts on what the norm gives, and does not merge', async () => {
  const method = { definition: repAdapter, options: repAdapter.options.parse({}) };
  const sites = toyVit.sites.map(({ bias, ...site }) =>
    site.kind === 'attn.qkv' || bias === undefined ? site : { ...site, bias },
  );
  const model = { ...toyVit, sites };
  expect(canMerge(toyVit, method)).toBe(true);
  expect(canMerge(model, method)).toBe(false);
  const values = trainedValues(await startValues(repAdapter), repAdapter);
  const here = await logits(repAdapter, values);
  expect(largestDifference(here, await logits(repAdapter, values, {}, { model }))).toBeLessThan(1e-9);
});

test('a width that is more than a layer reads, or that groups do not divide, is refused by name', () => {
  const parametersOf = (given: object) => repAdapter.parameters(toyVit, repAdapter.options.parse(given));
  expect(() => parametersOf({ bottleneck: 14 })).toThrow(/do not fit blocks\.0\.attn\.qkv of toy-vit/);
  expect(() => parametersOf({ bottleneck: 5, groups: 5 })).toThrow(
    expect.objectContaining({ where: 'method repadapter: groups', expected: expect.stringContaining('12') }),
  );
});
