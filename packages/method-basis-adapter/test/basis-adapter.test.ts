import basisAdapter from '@kora-bench/method-basis-adapter';
import lora from '@kora-bench/method-lora';
import { logits, startValues, trainedValues } from '@kora-bench/testing/method-questions';
import { describeMethod } from '@kora-bench/testing/method-suite';
import { expect, test } from 'vitest';

/** Per block of ViT-B/16, inputs and outputs of all linear layers. */
const [inputs, outputs] = [768 + 768 + 768 + 3072, 3 * 768 + 768 + 3072 + 768];
const inHead = 76_900;

describeMethod(basisAdapter, {
  // No signal lies just at the grid's edge, where central differences are of both sides.
  onToy: { rank: 2, gridRange: 20, targets: ['attn.qkv', 'mlp.fc2'] },
  forms: { 'linear functions': { basis: 'linear', targets: ['attn.q', 'attn.v'], rank: 2 } },
  refused: [
    [{ rank: 0 }, /rank/],
    [{ alpha: 0 }, /alpha/],
    [{ targets: ['attn.qkv', 'attn.q'] }, /targets/],
    [{ basis: 'wavelet' }, /basis/],
    [{ order: 3, knots: 4 }, /knots[\s\S]*at least 5 knots/],
    [{ basis: 'rbf', order: 3 }, /order[\s\S]*rbf has no order/],
    [{ grid: 'data', gridRange: 2 }, /gridRange/],
  ],
  counts: [
    [{ rank: 4 }, 12 * 4 * (inputs + (1 + 8) * outputs) + inHead],
    [{ rank: 4, grid: 'data' }, 12 * 4 * (inputs + (1 + 8) * outputs) + inHead],
    [{ rank: 2, basis: 'chebyshev', order: 3 }, 12 * 2 * (inputs + (1 + 3) * outputs) + inHead],
    [{ rank: 2, basis: 'rational' }, 12 * 2 * (inputs + (1 + 4) * outputs + 4 * 3) + inHead],
    [{ rank: 8, basis: 'linear' }, 12 * 8 * (inputs + outputs) + inHead],
  ],
});

test('with linear functions it is LoRA', async () => {
  const given = { rank: 3, alpha: 6 };
  const values = trainedValues(await startValues(lora, given), lora, given);
  expect(await logits(basisAdapter, values, { ...given, basis: 'linear' })).toEqual(
    await logits(lora, values, given),
  );
});
