import { classificationTask, countParameters } from '@kora-bench/core';
import linearProbe from '@kora-bench/method-linear-probe';
import { gradientSizes, startValues, vitBase } from '@kora-bench/method-testing';
import { expect, test } from 'vitest';

test('only the new head counts and trains', async () => {
  const count = countParameters(vitBase, { definition: linearProbe, options: {} }, classificationTask(100));
  expect(count).toEqual({ backbone: 86_567_656, trainable: 76_900, share: 76_900 / (86_567_656 + 76_900) });
  const sizes = await gradientSizes(linearProbe, startValues(linearProbe));
  expect([...sizes.keys()]).toEqual(['head.weight', 'head.bias']);
  for (const size of sizes.values()) expect(size).toBeGreaterThan(0);
});

test('an unknown option is rejected by name', () => {
  expect(() => linearProbe.options.parse({ rank: 8 })).toThrow(/rank/);
});
