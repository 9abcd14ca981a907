import { classificationTask, countParameters } from '@kora-bench/core';
import kora from '@kora-bench/method-kora';
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

const backbone: typeof kora = { ...kora, parameters: () => [], attach: () => (site) => site.value };

describe('options', () => {
  test.each([
    [{ rank: 0 }, /rank/],
    [{ rank: 1.5 }, /rank/],
    [{ alpha: 0 }, /alpha/],
    [{ dComp: 0 }, /dComp/],
    [{ init: 'zero' }, /init/],
    [{ d_comp: 4 }, /d_comp/],
  ])('%j is rejected by name', (options, message) => {
    expect(() => kora.options.parse(options)).toThrow(message);
  });
});

test('ViT-B/16 counts what the formula says', () => {
  const options = kora.options.parse({ rank: 8, dComp: 4 });
  const { trainable } = countParameters(vitBase, { definition: kora, options }, classificationTask(100));
  const perBlock = 3 * (8 * 768 + 768 * 8) + (4 * 3 * 768 + 4) + (768 * 4 + 768) + 1;
  expect(trainable).toBe(12 * perBlock + 76_900);
});

test('at the start the logits are the backbone’s', async () => {
  const values = startValues(kora);
  expect(largestDifference(await logits(kora, values), await logits(backbone, values))).toBeLessThan(1e-12);
});

test('once the gate has moved, the logits change', async () => {
  const values = trained(startValues(kora), kora);
  expect(largestDifference(await logits(kora, values), await logits(backbone, values))).toBeGreaterThan(1e-3);
});

test('the first step reaches every gate, and nothing behind a gate', async () => {
  const sizes = await gradientSizes(kora, startValues(kora));
  for (const [name, size] of sizes) {
    if (name.endsWith('.gate')) expect(size, name).toBeGreaterThan(1e-6);
    else if (!name.startsWith('head.')) expect(size, name).toBe(0);
  }
  expect([...sizes.keys()].filter((name) => name.endsWith('.gate'))).toHaveLength(toyModel.depth);
});

test('with the gates open, gradients reach every parameter', async () => {
  const sizes = await gradientSizes(kora, trained(startValues(kora), kora));
  for (const [name, size] of sizes) expect(size, name).toBeGreaterThan(0);
});

test('init: dead starts with every gradient of the method at exactly zero', async () => {
  const dead = { init: 'dead' };
  const sizes = await gradientSizes(kora, startValues(kora, dead), dead);
  for (const [name, size] of sizes) if (!name.startsWith('head.')) expect(size, name).toBe(0);
});
