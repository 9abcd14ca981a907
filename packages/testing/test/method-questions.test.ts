import { vitArchitecture } from '@kora-bench/core/nn';
import { add, greater, linear, mul, where } from '@kora-bench/core/ops';
import { defineMethod } from '@kora-bench/core/peft';
import {
  differentiationErrors,
  gradientSizes,
  largestDifference,
  logits,
  plainBackbone,
  startValues,
  trainedValues,
} from '@kora-bench/testing/method-questions';
import { toyVitConfig } from '@kora-bench/testing/vit-configs';
import { expect, it } from 'vitest';
import { z } from 'zod';

/** Adds a map of the class token after the last norm. */
const onFeatures = defineMethod<object>({
  name: 'on-features',
  description: '',
  source: '',
  options: z.strictObject({}),
  parameters: ({ width }) => [{ name: 'own', shape: [width, width], init: { kind: 'zeros' } }],
  attach: ({ parameter }) => ({
    value: ({ kind, value }) => (kind === 'features' ? add(value, linear(value, parameter('own'))) : value),
  }),
});

it('keeps the method’s own start and replaces it, and nothing else, by trained values', async () => {
  const start = await startValues(onFeatures);
  expect(start.get('own')!.data.every((value) => value === 0)).toBe(true);
  const trained = trainedValues(start, onFeatures);
  const changed = [...start].filter(([name, value]) => trained.get(name) !== value).map(([name]) => name);
  expect(changed).toEqual(['own']);
});

it('answers for another backbone', async () => {
  const model = vitArchitecture({ ...toyVitConfig, depth: 3, width: 8 });
  const sizes = await gradientSizes(onFeatures, await startValues(onFeatures, {}, model), {}, { model });
  expect([...sizes.keys()].sort()).toEqual(['head.bias', 'head.weight', 'own']);
  expect((await startValues(onFeatures, {}, model)).has('blocks.2.norm1.weight')).toBe(true);
});

it('refuses a stage that is not there', async () => {
  const asked = logits(onFeatures, await startValues(onFeatures), {}, { stage: 'fusion' });
  await expect(asked).rejects.toMatchObject({ code: 'INPUT', expected: 'train', received: 'fusion' });
});

it('gives the plain backbone’s logits where a method adds nothing', async () => {
  const values = await startValues(onFeatures);
  const plain = await logits(plainBackbone, values);
  expect(plain).toHaveLength(12);
  expect(largestDifference(await logits(onFeatures, values), plain)).toBe(0);
});

it('agrees with central differences to 1e-8 of the gradient’s size', async () => {
  const values = trainedValues(await startValues(onFeatures), onFeatures);
  const errors = await differentiationErrors(onFeatures, values);
  expect(errors.map(({ parameter }) => parameter).sort()).toEqual(['head.bias', 'head.weight', 'own']);
  for (const { parameter, error, scale } of errors) expect(error / scale, parameter).toBeLessThan(1e-8);
});

it('shows a derivative that the loss does not have: that of |x| at zero', async () => {
  const kinked = defineMethod<object>({
    ...onFeatures,
    attach: ({ parameter }) => ({
      value({ kind, value }) {
        if (kind !== 'features') return value;
        const own = parameter('own');
        return add(value, linear(value, where(greater(own, 0), own, mul(own, -1))));
      },
    }),
  });
  const errors = await differentiationErrors(kinked, await startValues(kinked));
  const wrong = errors.filter(({ error, scale }) => error > 1e-3 * scale);
  expect(wrong.map(({ parameter }) => parameter)).toEqual(['own']);
});
