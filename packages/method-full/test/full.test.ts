import { classificationTask, countParameters } from '@kora-bench/core';
import full from '@kora-bench/method-full';
import { gradientSizes, startValues, vitBase } from '@kora-bench/method-testing';
import { expect, test } from 'vitest';

test('everything but the checkpoint’s own classifier counts', () => {
  const { trainable, share } = countParameters(
    vitBase,
    { definition: full, options: {} },
    classificationTask(100),
  );
  const ownClassifier = 1000 * 768 + 1000;
  expect(trainable).toBe(86_567_656 - ownClassifier + 76_900);
  expect(share).toBeCloseTo(trainable / (86_567_656 + 76_900), 12);
});

test('gradients reach every weight of the backbone', async () => {
  const values = startValues(full);
  const sizes = await gradientSizes(full, values);
  expect([...sizes.keys()].sort()).toEqual([...values.keys()].sort());
  for (const [name, size] of sizes) expect(size, name).toBeGreaterThan(0);
});

test('an unknown option is rejected by name', () => {
  expect(() => full.options.parse({ freeze: true })).toThrow(/freeze/);
});
