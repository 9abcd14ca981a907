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

const perBlock = 3 * (8 * 768 + 768 * 8) + (4 * 3 * 768 + 4) + (768 * 4 + 768) + 1;

describeMethod(kora, {
  refused: [
    [{ rank: 0 }, /rank/],
    [{ rank: 1.5 }, /rank/],
    [{ alpha: 0 }, /alpha/],
    [{ dComp: 0 }, /dComp/],
    [{ init: 'zero' }, /init/],
    [{ d_comp: 4 }, /d_comp/],
  ],
  counts: [[{ rank: 8, dComp: 4 }, 12 * perBlock + 76_900]],
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
