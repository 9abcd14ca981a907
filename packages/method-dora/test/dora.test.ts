import { readFileSync } from 'node:fs';
import dora from '@kora-bench/method-dora';
import { startValues } from '@kora-bench/testing/method-questions';
import { describeMethod } from '@kora-bench/testing/method-suite';
import { replayTraining } from '@kora-bench/testing/replay-training';
import { toyVit } from '@kora-bench/testing/vit-configs';
import { expect, test } from 'vitest';

const fixture = new Uint8Array(readFileSync(new URL('fixtures/peft-toy.safetensors', import.meta.url)));

describeMethod(dora, {
  forms: {
    'every target': { targets: ['attn.q', 'attn.k', 'attn.v', 'attn.proj', 'mlp.fc1', 'mlp.fc2'], rank: 2 },
  },
  // Their gradients are compared with peft's instead.
  heldConstant: (parameter) => /lora_[AB]/.test(parameter),
  refused: [
    [{ rank: 0 }, /rank/],
    [{ dropout: 0.1 }, /dropout/],
    [{ targets: ['attn.qkv', 'attn.v'] }, /one of its own parts/],
  ],
  counts: [
    // peft 0.21.2 on timm's ViT-B/16, with the head of 100 classes.
    [{}, 1_339_492],
    [{ targets: ['attn.qkv'] }, 399_460],
  ],
});

test('training equals peft’s', async () => {
  const given = { rank: 2, alpha: 6, targets: ['attn.qkv', 'mlp.fc1', 'mlp.fc2'] };
  const { losses, parameters } = await replayTraining(dora, given, fixture);
  expect(losses).toBeLessThan(1e-4);
  expect([...parameters.keys()].some((name) => name.endsWith('lora_magnitude_vector.weight'))).toBe(true);
  for (const [name, difference] of parameters) expect(difference, name).toBeLessThan(1e-4);
});

test('m starts as the norms of the rows of W, also of a part of qkv', async () => {
  const values = await startValues(dora, { targets: ['attn.v'] });
  const m = values.get('blocks.1.attn.v.lora_magnitude_vector.weight')!.data;
  const rows = values.get('blocks.1.attn.qkv.weight')!.data;
  const width = toyVit.width;
  expect(m).toHaveLength(width);
  expect(m[3]).toBeCloseTo(Math.hypot(...rows.subarray((2 * width + 3) * width, (2 * width + 4) * width)), 5);
});

test('a rank that is larger than a layer is refused by the layer’s name', () => {
  expect(() => dora.parameters(toyVit, dora.options.parse({ rank: 13 }))).toThrow(/blocks\.0\.attn\.qkv/);
});
