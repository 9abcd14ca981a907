import { readFileSync } from 'node:fs';
import { canMerge } from '@kora-bench/core/training';
import adaptFormer from '@kora-bench/method-adaptformer';
import { describeMethod } from '@kora-bench/testing/method-suite';
import { replayTraining } from '@kora-bench/testing/replay-training';
import { toyVit } from '@kora-bench/testing/vit-configs';
import { expect, test } from 'vitest';

describeMethod(adaptFormer, {
  forms: { sequential: { bottleneck: 5, form: 'sequential', scale: 2 } },
  refused: [
    [{ bottleneck: 0 }, /bottleneck/],
    [{ bottleneck: 4097 }, /bottleneck/],
    [{ scale: 0 }, /scale/],
    [{ scale: 'free' }, /scale/],
    [{ form: 'before' }, /form/],
    [{ dropout: 1 }, /dropout/],
    [{ rank: 8 }, /rank/],
  ],
  counts: [
    [{}, 12 * (2 * 64 * 768 + 64 + 768) + 76_900],
    [{ scale: 'learned' }, 12 * (2 * 64 * 768 + 64 + 768 + 1) + 76_900],
  ],
});

test.each([
  ['parallel', { bottleneck: 5, scale: 0.5 }],
  ['sequential-learned', { bottleneck: 5, scale: 'learned', form: 'sequential' }],
])('%s: three steps are those of the formula in PyTorch', async (name, given) => {
  const file = readFileSync(new URL(`fixtures/${name}.safetensors`, import.meta.url));
  const { losses, parameters } = await replayTraining(adaptFormer, given, file);
  expect(losses).toBeLessThan(1e-6);
  for (const [parameter, difference] of parameters) expect(difference, parameter).toBeLessThan(1e-6);
});

test('it cannot be merged, and a model without MLPs is refused by name', () => {
  const options = adaptFormer.options.parse({});
  expect(canMerge(toyVit, { definition: adaptFormer, options })).toBe(false);
  const model = { ...toyVit, sites: toyVit.sites.filter(({ kind }) => kind !== 'mlp') };
  expect(() => adaptFormer.parameters(model, options)).toThrow(/toy-vit has no site "mlp"/);
});
