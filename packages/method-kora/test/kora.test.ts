import { hostTensor } from '@kora-bench/core/graph';
import { initialValue } from '@kora-bench/core/peft';
import kora from '@kora-bench/method-kora';
import {
  gradientSizes,
  largestDifference,
  logits,
  plainBackbone,
  startValues,
  trainedValues,
} from '@kora-bench/testing/method-questions';
import { describeMethod } from '@kora-bench/testing/method-suite';
import { toyVit } from '@kora-bench/testing/vit-configs';
import { expect, test } from 'vitest';

const adapters = 3 * (8 * 768 + 768 * 8);
const perBlock = adapters + (4 * 3 * 768 + 4) + (768 * 4 + 768) + 1;
const attentionBlock = adapters + 3 * (8 * 768 + 8) + 4 * 8 * 8 + 8 + (768 * 8 + 768) + 1;
const inHead = 76_900;

describeMethod(kora, {
  forms: {
    'linear composition, target output, gate per channel': {
      ...{ composition: 'linear', dComp: 3, target: 'output', gate: 'channel', gateStart: 0.1, init: 'dead' },
    },
    'three hidden layers, silu, q and v, gate per token, shared A': {
      ...{ hiddenLayers: 3, activation: 'silu', target: 'q-and-v', gate: 'token', sharedA: true },
    },
    'no composition, no gate': { composition: 'none', gate: 'none', init: 'dead' },
    'attention of four heads behind a frozen gate': {
      ...{ composition: 'attention', dComp: 4, heads: 4, gate: 'frozen', init: 'dead' },
    },
    'rational functions across blocks': { composition: 'cross-block', dComp: 4, basis: 'rational', rank: 2 },
  },
  refused: [
    [{ rank: 0 }, /rank/],
    [{ rank: 1.5 }, /rank/],
    [{ alpha: 0 }, /alpha/],
    [{ dComp: 0 }, /dComp/],
    [{ init: 'zero' }, /init/],
    [{ d_comp: 4 }, /d_comp/],
    [{ composition: 'attention', dComp: 8, heads: 3 }, /heads[\s\S]*divisor of dComp, which is 8/],
    [{ heads: 2 }, /heads[\s\S]*only the compositions attention and cross-block/],
    [{ composition: 'none', dComp: 4 }, /dComp[\s\S]*only a composition/],
    [{ composition: 'linear', activation: 'relu' }, /activation/],
    [{ composition: 'attention', hiddenLayers: 2 }, /hiddenLayers/],
    [{ composition: 'none', target: 'v' }, /target[\s\S]*own projection/],
    [{ target: 'own' }, /target/],
    [{ gate: 'none', gateStart: 1 }, /gateStart/],
    [{ gate: 'frozen', gateStart: 0 }, /gateStart[\s\S]*nothing trains/],
    [{ basis: 'bspline', order: 3, knots: 4 }, /knots[\s\S]*at least 5 knots/],
    [{ knots: 4 }, /knots/],
  ],
  counts: [
    [{ rank: 8, dComp: 4 }, 12 * perBlock + inHead],
    [{ composition: 'attention' }, 12 * attentionBlock + inHead],
    [{ composition: 'cross-block' }, 12 * attentionBlock + inHead],
    [{ composition: 'none', gate: 'channel' }, 12 * (adapters + 3 * 768) + inHead],
    [{ composition: 'none', gate: 'token', sharedA: true }, 12 * (adapters - 2 * 8 * 768 + 3 * 197) + inHead],
    [{ dComp: 4, basis: 'bspline' }, 12 * (perBlock + 3 * 768 * 8 * 8) + inHead],
  ],
});

test('once the gate has moved, the logits change', async () => {
  const values = trainedValues(await startValues(kora), kora);
  const plain = await logits(plainBackbone, values);
  expect(largestDifference(await logits(kora, values), plain)).toBeGreaterThan(1e-3);
});

test('the first step reaches every gate, and nothing behind a gate', async () => {
  const sizes = await gradientSizes(kora, await startValues(kora));
  for (const [name, size] of sizes) {
    if (name.endsWith('.gate')) expect(size, name).toBeGreaterThan(1e-6);
    else if (!name.startsWith('head.')) expect(size, name).toBe(0);
  }
  expect([...sizes.keys()].filter((name) => name.endsWith('.gate'))).toHaveLength(toyVit.depth);
});

test('init: dead starts with every gradient of the method at exactly zero', async () => {
  const dead = { init: 'dead' };
  const sizes = await gradientSizes(kora, await startValues(kora, dead), dead);
  for (const [name, size] of sizes) if (!name.startsWith('head.')) expect(size, name).toBe(0);
});

test('the published preset is the description, whatever else there is to choose', () => {
  expect(kora.options.parse(kora.presets!.published)).toEqual({
    ...{ rank: 8, alpha: 1, dComp: 4, init: 'live', composition: 'mlp', hiddenLayers: 1, activation: 'gelu' },
    ...{ target: 'v', gate: 'scalar', gateStart: 0, sharedA: false, basis: 'linear' },
  });
});

test('across blocks, the last block’s update depends on the deltas of the first', async () => {
  const effectOfFirst = async (composition: string) => {
    const given = { composition, dComp: 4 };
    const values = trainedValues(await startValues(kora, given), kora, given);
    // With its gate shut, the first block’s own update is gone.
    const shut = { ...values.get('blocks.0.attn.kora.gate')!, data: Float32Array.of(0) };
    values.set('blocks.0.attn.kora.gate', shut);
    const before = await logits(kora, values, given);
    const b = values.get('blocks.0.attn.kora.q.lora_B')!;
    values.set('blocks.0.attn.kora.q.lora_B', { ...b, data: b.data.map((value) => 2 * value) });
    return largestDifference(await logits(kora, values, given), before);
  };
  expect(await effectOfFirst('cross-block')).toBeGreaterThan(1e-4);
  expect(await effectOfFirst('attention')).toBe(0);
});

test('a gate frozen at 1 is no gate', async () => {
  const plain = { gate: 'none' };
  const frozen = { gate: 'frozen' };
  const values = trainedValues(await startValues(kora, plain), kora, plain);
  expect(await logits(kora, values, frozen)).toEqual(await logits(kora, values, plain));
});

test('grids from data span what the signals are, are constants, and need images', async () => {
  const given = { basis: 'rbf', grid: 'data', rank: 2 };
  const options = kora.options.parse(given);
  const grids = kora.parameters(toyVit, options).filter(({ name }) => name.includes('grid'));
  expect(grids.every(({ constant }) => constant)).toBe(true);
  expect(grids).toHaveLength(2 * 3 * toyVit.depth);
  const { width } = toyVit;
  // Every token reads the same number in all features but the first, from 0 to 100.
  const seen = hostTensor(
    [1, 101, width],
    Float32Array.from({ length: 101 * width }, (_, i) => (i % width === 0 ? Math.floor(i / width) : 0)),
  );
  const weights = new Map(
    kora.parameters(toyVit, options).map((spec) => [
      spec.name,
      hostTensor(
        spec.shape,
        initialValue(spec, 1).map((_, i) => (i === width ? -3 : 2)),
      ),
    ]),
  );
  const start = await kora.initialize!({
    ...{ model: toyVit, options, seed: 1, weights },
    siteInputs: async (sites) => new Map(sites.map((site) => [site, [seen]])),
  });
  expect([...start.get('blocks.1.attn.kora.k.basis.grid_centre')!.data]).toEqual([100, -150]);
  expect([...start.get('blocks.1.attn.kora.k.basis.grid_half_width')!.data]).toEqual([98, 147]);
  await expect(startValues(kora, given)).rejects.toThrow(/no training images/);
});
