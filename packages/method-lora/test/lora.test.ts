import { classificationTask, countParameters } from '@kora-bench/core';
import lora from '@kora-bench/method-lora';
import {
  gradientSizes,
  largestDifference,
  logits,
  startValues,
  toyModel,
  trained,
  vitBase,
} from '@kora-bench/method-testing';
import { describe, expect, test } from 'vitest';

const backbone: typeof lora = { ...lora, parameters: () => [], attach: () => (site) => site.value };
const published = lora.presets!.published!;
const count = (given: object) =>
  countParameters(vitBase, { definition: lora, options: lora.options.parse(given) }, classificationTask(100))
    .trainable;

describe('options', () => {
  test.each([
    [{ rank: 0 }, /rank/],
    [{ rank: 1025 }, /rank/],
    [{ alpha: 0 }, /alpha/],
    [{ scaling: 'alpha*r' }, /scaling/],
    [{ targets: [] }, /targets/],
    [{ targets: ['attn.out'] }, /targets/],
    [{ targets: ['mlp.fc1', 'mlp.fc1'] }, /names a target twice/],
    [{ targets: ['attn.qkv', 'attn.v'] }, /one of its own parts/],
    [{ dropout: 0.1 }, /dropout/],
  ])('%j is rejected by name', (options, message) => {
    expect(() => lora.options.parse(options)).toThrow(message);
  });

  test('every preset is valid', () => {
    for (const preset of Object.values(lora.presets!)) expect(() => lora.options.parse(preset)).not.toThrow();
  });
});

describe('counts on ViT-B/16 with a head of 100', () => {
  test('as published: 1,270,692, the unused classifier’s adapter included', () => {
    expect(count(published)).toBe(1_270_692);
    expect(count({ ...published, includeUnusedClassifier: false })).toBe(1_270_692 - 8 * (768 + 1000));
  });

  test('q and v alone', () => {
    expect(count({ targets: ['attn.q', 'attn.v'] })).toBe(12 * 2 * 8 * (768 + 768) + 76_900);
  });
});

test('at the start the logits are the backbone’s', async () => {
  const values = startValues(lora);
  expect(largestDifference(await logits(lora, values), await logits(backbone, values))).toBe(0);
});

const everyTarget = ['attn.q', 'attn.k', 'attn.v', 'attn.proj', 'mlp.fc1', 'mlp.fc2'];
describe.each([{}, { targets: everyTarget, rank: 2, scaling: 'alpha/sqrt(r)' }])('with %j', (given) => {
  test('gradients reach every parameter', async () => {
    const sizes = await gradientSizes(lora, trained(startValues(lora, given), lora, given), given);
    for (const [name, size] of sizes) expect(size, name).toBeGreaterThan(0);
  });

  test('merging gives the same logits within 1e-4 and changes only the adapted weights', async () => {
    const values = trained(startValues(lora, given), lora, given);
    const merged = lora.merge!(values, values, toyModel, lora.options.parse(given));
    const plain = await logits(backbone, new Map([...values, ...merged]));
    const adapted = await logits(lora, values, given);
    expect(largestDifference(adapted, plain)).toBeLessThan(1e-4);
    expect(largestDifference(adapted, await logits(backbone, values))).toBeGreaterThan(1e-2);
    expect([...merged.keys()].sort()).toEqual(
      [0, 1].flatMap((i) =>
        ['attn.proj', 'attn.qkv', 'mlp.fc1', 'mlp.fc2'].map((layer) => `blocks.${i}.${layer}.weight`),
      ),
    );
  });
});

test('A starts in the range of Kaiming-uniform with a = √5 and fills it; B starts at zero', () => {
  const values = startValues(lora, { rank: 64 });
  const a = values.get('blocks.0.mlp.fc2.lora_A.weight')!.data;
  const largest = Math.max(...a.map(Math.abs));
  expect(largest).toBeLessThanOrEqual(1 / Math.sqrt(16));
  expect(largest).toBeGreaterThan(0.95 / Math.sqrt(16));
  expect(values.get('blocks.0.mlp.fc2.lora_B.weight')!.data.every((x) => x === 0)).toBe(true);
});

test.each([
  ['alpha', 6],
  ['alpha/r', 3],
  ['alpha/sqrt(r)', 6 / Math.SQRT2],
])('scaling %s with α = 6 and r = 2 merges %d times what a factor of 1 does', (scaling, factor) => {
  const given = { rank: 2, alpha: 6, targets: ['attn.proj'] };
  const values = trained(startValues(lora, given), lora, given);
  const deltaWith = (options: object) => {
    const name = 'blocks.1.attn.proj.weight';
    const merged = lora.merge!(values, values, toyModel, lora.options.parse(options)).get(name)!;
    return merged.data[5]! - values.get(name)!.data[5]!;
  };
  const unit = deltaWith({ ...given, alpha: 1, scaling: 'alpha' });
  expect(deltaWith({ ...given, scaling }) / unit).toBeCloseTo(factor, 3);
});

test('the unused classifier’s adapter is there for the count and receives no gradient', async () => {
  const values = trained(startValues(lora, published), lora, published);
  const sizes = await gradientSizes(lora, values, published);
  const unused = [...sizes].filter(([name]) => name.startsWith('unused_classifier.'));
  expect(unused.map(([name]) => name)).toEqual([
    'unused_classifier.lora_A.weight',
    'unused_classifier.lora_B.weight',
  ]);
  for (const [name, size] of unused) expect(size, name).toBe(0);
});

test('merging without a parameter names it', () => {
  const values = startValues(lora);
  const without = new Map([...values].filter(([name]) => name !== 'blocks.1.mlp.fc2.lora_B.weight'));
  expect(() => lora.merge!(values, without, toyModel, lora.options.parse({}))).toThrow(
    /blocks\.1\.mlp\.fc2\.lora_B/,
  );
});
