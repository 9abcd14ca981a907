import { readFileSync } from 'node:fs';
import { vitArchitecture } from '@kora-bench/core/nn';
import oft, { blockSizeOf } from '@kora-bench/method-oft';
import { describeMethod } from '@kora-bench/testing/method-suite';
import { replayTraining } from '@kora-bench/testing/replay-training';
import { toyVitConfig } from '@kora-bench/testing/vit-configs';
import { expect, test } from 'vitest';

const fixture = new Uint8Array(readFileSync(new URL('fixtures/peft-toy.safetensors', import.meta.url)));

describeMethod(oft, {
  forms: {
    'every target': {
      blockSize: 4,
      neumannTerms: 7,
      targets: ['attn.q', 'attn.k', 'attn.v', 'attn.proj', 'mlp.fc1', 'mlp.fc2'],
    },
  },
  refused: [
    [{ blockSize: 1 }, /blockSize/],
    [{ neumannTerms: 3 }, /neumannTerms/],
    [{ targets: ['attn.qkv', 'attn.v'] }, /one of its own parts/],
  ],
  counts: [
    // peft 0.21.2 on timm's ViT-B/16, with the head of 100 classes.
    [{}, 1_076_836],
    [{ targets: ['attn.qkv'] }, 219_748],
    [{ targets: ['attn.qkv'], blockSize: 20 }, 146_020],
  ],
});

test('training equals peft’s', async () => {
  const given = { blockSize: 4, targets: ['attn.qkv', 'mlp.fc1', 'mlp.fc2'] };
  const { losses, parameters } = await replayTraining(oft, given, fixture);
  expect(losses).toBeLessThan(1e-4);
  for (const [name, difference] of parameters) expect(difference, name).toBeLessThan(1e-4);
});

test.each([
  [768, 32, 32],
  [768, 20, 16],
  [768, 22, 24],
  [12, 32, 12],
  [13, 4, 1],
])('an input of %d features and blocks of %d give blocks of %d', (inFeatures, blockSize, expected) => {
  expect(blockSizeOf(inFeatures, blockSize)).toBe(expected);
});

test('a width that has no blocks is refused by the layer’s name', () => {
  const odd = vitArchitecture({ ...toyVitConfig, mlpWidth: 23 });
  expect(() => oft.parameters(odd, oft.options.parse({ blockSize: 5, targets: ['mlp.fc2'] }))).toThrow(
    /blocks\.0\.mlp\.fc2 has no blocks/,
  );
});
