import lora from '@kora-bench/method-lora';
import { gradientSizes, startValues, trainedValues } from '@kora-bench/testing/method-questions';
import { describeMethod } from '@kora-bench/testing/method-suite';
import { toyVit, toyVitConfig } from '@kora-bench/testing/vit-configs';
import { expect, test } from 'vitest';

const published = lora.presets!.published!;
const everyTarget = ['attn.q', 'attn.k', 'attn.v', 'attn.proj', 'mlp.fc1', 'mlp.fc2'];
const onEveryTarget = { targets: everyTarget, rank: 2, scaling: 'alpha/sqrt(r)' };

describeMethod(lora, {
  forms: {
    'every target': onEveryTarget,
    'PiSSA on parts of qkv': { init: 'pissa', targets: ['attn.q', 'attn.v', 'mlp.fc2'], rank: 3, alpha: 2 },
    dropout: { dropout: 0.2, loraPlus: 4 },
  },
  unused: (name) => name.startsWith('unused_classifier.'),
  refused: [
    [{ rank: 0 }, /rank/],
    [{ rank: 1025 }, /rank/],
    [{ alpha: 0 }, /alpha/],
    [{ scaling: 'alpha*r' }, /scaling/],
    [{ targets: [] }, /targets/],
    [{ targets: ['attn.out'] }, /targets/],
    [{ targets: ['mlp.fc1', 'mlp.fc1'] }, /names a layer twice/],
    [{ targets: ['attn.qkv', 'attn.v'] }, /one of its own parts/],
    [{ dropout: 1 }, /dropout/],
    [{ loraPlus: 0.5 }, /loraPlus/],
    [{ init: 'olora' }, /init/],
  ],
  counts: [
    [published, 1_270_692],
    [{ ...published, includeUnusedClassifier: false }, 1_270_692 - 8 * (768 + 1000)],
    [{ targets: ['attn.q', 'attn.v'] }, 12 * 2 * 8 * (768 + 768) + 76_900],
  ],
});

test.each([{}, onEveryTarget])('with %j merging changes the adapted weights alone', async (given) => {
  const values = trainedValues(await startValues(lora, given), lora, given);
  const merged = lora.merge!(values, values, toyVit, lora.options.parse(given));
  expect([...merged.keys()].sort()).toEqual(
    [0, 1].flatMap((i) =>
      ['attn.proj', 'attn.qkv', 'mlp.fc1', 'mlp.fc2'].map((layer) => `blocks.${i}.${layer}.weight`),
    ),
  );
});

test('a rank that is larger than a layer is refused by the layer’s name', () => {
  expect(() => lora.parameters(toyVit, lora.options.parse({ rank: 13, targets: ['mlp.fc1'] }))).toThrow(
    /rank 13 is larger than the layer blocks\.0\.mlp\.fc1/,
  );
});

test('A starts in the range of Kaiming-uniform with a = √5 and fills it; B starts at zero', async () => {
  const values = await startValues(lora, { rank: 12 });
  const a = values.get('blocks.0.mlp.fc2.lora_A.weight')!.data;
  const largest = Math.max(...a.map(Math.abs));
  expect(largest).toBeLessThanOrEqual(1 / Math.sqrt(toyVitConfig.mlpWidth));
  expect(largest).toBeGreaterThan(0.95 / Math.sqrt(toyVitConfig.mlpWidth));
  expect(values.get('blocks.0.mlp.fc2.lora_B.weight')!.data.every((x) => x === 0)).toBe(true);
});

test.each([
  ['alpha', 6],
  ['alpha/r', 3],
  ['alpha/sqrt(r)', 6 / Math.SQRT2],
])('scaling %s with α = 6 and r = 2 merges %d times what a factor of 1 does', async (scaling, factor) => {
  const given = { rank: 2, alpha: 6, targets: ['attn.proj'] };
  const values = trainedValues(await startValues(lora, given), lora, given);
  const deltaWith = (options: object) => {
    const name = 'blocks.1.attn.proj.weight';
    const merged = lora.merge!(values, values, toyVit, lora.options.parse(options)).get(name)!;
    return merged.data[5]! - values.get(name)!.data[5]!;
  };
  const unit = deltaWith({ ...given, alpha: 1, scaling: 'alpha' });
  expect(deltaWith({ ...given, scaling }) / unit).toBeCloseTo(factor, 3);
});

test('the unused classifier’s adapter is there for the count and receives no gradient', async () => {
  const values = trainedValues(await startValues(lora, published), lora, published);
  const sizes = await gradientSizes(lora, values, published);
  const unused = [...sizes].filter(([name]) => name.startsWith('unused_classifier.'));
  expect(unused.map(([name]) => name)).toEqual([
    'unused_classifier.lora_A.weight',
    'unused_classifier.lora_B.weight',
  ]);
  for (const [name, size] of unused) expect(size, name).toBe(0);
});

test('merging without a parameter names it', async () => {
  const values = await startValues(lora);
  const without = new Map([...values].filter(([name]) => name !== 'blocks.1.mlp.fc2.lora_B.weight'));
  expect(() => lora.merge!(values, without, toyVit, lora.options.parse({}))).toThrow(
    /blocks\.1\.mlp\.fc2\.lora_B/,
  );
});
