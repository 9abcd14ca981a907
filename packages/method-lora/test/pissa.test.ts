import { readFileSync } from 'node:fs';
import type { HostTensor } from '@kora-bench/core/graph';
import lora from '@kora-bench/method-lora';
import { largestDifference } from '@kora-bench/testing/method-questions';
import { fixtureVit, replayTraining } from '@kora-bench/testing/replay-training';
import { expect, test } from 'vitest';
import { truncatedSvd } from '../src/truncated-svd.js';

const given = { rank: 2, alpha: 6, init: 'pissa', loraPlus: 16, targets: ['attn.qkv', 'mlp.fc2'] };
const bytes = readFileSync(new URL('fixtures/pissa-lora-plus/peft-toy.safetensors', import.meta.url));

test('training with LoRA+ from PiSSA’s start equals peft’s', async () => {
  const { losses, parameters } = await replayTraining(lora, given, new Uint8Array(bytes));
  expect(losses).toBeLessThan(1e-4);
  for (const [name, difference] of parameters) expect(difference, name).toBeLessThan(1e-4);
});

test('PiSSA’s start is peft’s: the same residuals, and the same A and B but for the sign of a pair', async () => {
  const { fixture } = await replayTraining(lora, given, new Uint8Array(bytes));
  const weights = new Map<string, HostTensor>(
    [...fixture].flatMap(([name, value]) =>
      name.startsWith('start.pretrained.') ? [[name.slice('start.pretrained.'.length), value]] : [],
    ),
  );
  const options = lora.options.parse(given);
  const start = await lora.initialize!({
    ...{ model: fixtureVit, options, weights, seed: 0 },
    siteInputs: () => Promise.reject(new Error('not needed')),
  });
  expect(start.size).toBe(2 * 2 * 3);
  for (const [name, { data }] of start) {
    const own = [...data].map((x) => (name.includes('.lora_') ? Math.abs(x) : x));
    const peft = [...fixture.get(`start.${name}`)!.data].map((x) =>
      name.includes('.lora_') ? Math.abs(x) : x,
    );
    expect(largestDifference(own, peft), name).toBeLessThan(1e-5);
  }
});

test.each([
  ['tall', 40, 25, 25],
  ['wide', 20, 90, 3],
  ['of one column', 7, 1, 1],
])('singular triplets of a matrix that is %s', (_, rows, columns, rank) => {
  const matrix = Float64Array.from({ length: rows * columns }, (_, i) => Math.sin(i * i + 0.1 * i));
  const { values, left, right } = truncatedSvd(matrix, rows, columns, rank);
  for (let k = 0; k < rank; k++) {
    if (k > 0) expect(values[k]).toBeLessThanOrEqual(values[k - 1]!);
    for (let row = 0; row < rows; row++) {
      const product = right[k]!.reduce((sum, x, column) => sum + matrix[row * columns + column]! * x, 0);
      expect(Math.abs(product - values[k]! * left[k]![row]!)).toBeLessThan(1e-11 * values[0]!);
    }
  }
});
