import { countParameters } from '@kora-bench/core/training';
import linearProbe from '@kora-bench/method-linear-probe';
import { classificationTask } from '@kora-bench/tasks';
import { gradientSizes, startValues } from '@kora-bench/testing/method-questions';
import { describeMethod } from '@kora-bench/testing/method-suite';
import { vitBase } from '@kora-bench/testing/vit-configs';
import { expect, test } from 'vitest';

describeMethod(linearProbe, { counts: [[{}, 76_900]], refused: [[{ rank: 8 }, /rank/]] });

test('only the new head trains', async () => {
  const sizes = await gradientSizes(linearProbe, await startValues(linearProbe));
  expect([...sizes.keys()]).toEqual(['head.weight', 'head.bias']);
});

test('the share is of the backbone with its own classifier and the new head', () => {
  const count = countParameters(vitBase, { definition: linearProbe, options: {} }, classificationTask(100));
  expect(count).toEqual({ backbone: 86_567_656, trainable: 76_900, share: 76_900 / (86_567_656 + 76_900) });
});
