import { countParameters } from '@kora-bench/core/training';
import full from '@kora-bench/method-full';
import { classificationTask } from '@kora-bench/tasks';
import { gradientSizes, startValues } from '@kora-bench/testing/method-questions';
import { describeMethod } from '@kora-bench/testing/method-suite';
import { vitBase } from '@kora-bench/testing/vit-configs';
import { expect, test } from 'vitest';

const ownClassifier = 1000 * 768 + 1000;
const trainable = 86_567_656 - ownClassifier + 76_900;

describeMethod(full, { counts: [[{}, trainable]], refused: [[{ freeze: true }, /freeze/]] });

test('every weight trains but the checkpoint’s own classifier', async () => {
  const values = await startValues(full);
  const sizes = await gradientSizes(full, values);
  expect([...sizes.keys()].sort()).toEqual([...values.keys()].sort());
});

test('the share is of the backbone with its own classifier and the new head', () => {
  const { share } = countParameters(vitBase, { definition: full, options: {} }, classificationTask(100));
  expect(share).toBeCloseTo(trainable / (86_567_656 + 76_900), 12);
});
