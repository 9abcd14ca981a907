import { readFileSync } from 'node:fs';
import vera from '@kora-bench/method-vera';
import { describeMethod } from '@kora-bench/testing/method-suite';
import { replayTraining } from '@kora-bench/testing/replay-training';
import { toyVit } from '@kora-bench/testing/vit-configs';
import { expect, test } from 'vitest';

const fixture = new Uint8Array(readFileSync(new URL('fixtures/peft-toy.safetensors', import.meta.url)));

describeMethod(vera, {
  forms: {
    'a low rank on every target': {
      rank: 3,
      targets: ['attn.q', 'attn.k', 'attn.v', 'attn.proj', 'mlp.fc1', 'mlp.fc2'],
    },
  },
  refused: [
    [{ rank: 0 }, /rank/],
    [{ dInitial: 'large' }, /dInitial/],
    [{ targets: ['attn.qkv', 'attn.v'] }, /one of its own parts/],
  ],
  counts: [
    // The paper's 24.6K for ViT-B/16 on query and value, and the head of 100 classes.
    [{}, 24_576 + 76_900],
    // peft 0.21.2 on timm's ViT-B/16.
    [{ targets: 'all-linear' }, 172_132],
    [{ targets: ['attn.qkv'] }, 107_620],
  ],
});

test('training equals peft’s, given the same A and B', async () => {
  const given = { rank: 5, targets: ['attn.qkv', 'mlp.fc1', 'mlp.fc2'] };
  const { losses, parameters } = await replayTraining(vera, given, fixture);
  expect(losses).toBeLessThan(1e-4);
  expect([...parameters.keys()]).not.toContain('vera_A');
  for (const [name, difference] of parameters) expect(difference, name).toBeLessThan(1e-4);
});

test('A and B are as large as the largest layer, and every layer reads its corner', () => {
  const shapes = new Map(
    vera.parameters(toyVit, vera.options.parse({ targets: 'all-linear' })).map((p) => [p.name, p.shape]),
  );
  expect(shapes.get('vera_A')).toEqual([256, 24]);
  expect(shapes.get('vera_B')).toEqual([36, 256]);
});
