import { readFileSync } from 'node:fs';
import type { HostTensor } from '@kora-bench/core/graph';
import lora from '@kora-bench/method-lora';
import { largestDifference } from '@kora-bench/testing/method-questions';
import { fixtureVit, replayTraining } from '@kora-bench/testing/replay-training';
import { expect, test } from 'vitest';

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
