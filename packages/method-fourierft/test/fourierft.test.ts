import { readFileSync } from 'node:fs';
import fourierft from '@kora-bench/method-fourierft';
import { describeMethod } from '@kora-bench/testing/method-suite';
import { replayTraining } from '@kora-bench/testing/replay-training';
import { toyVit } from '@kora-bench/testing/vit-configs';
import { expect, test } from 'vitest';
import { drawFrequencies, frequencyTables } from '../src/frequency-tables.js';

const fixture = new Uint8Array(readFileSync(new URL('fixtures/peft-toy.safetensors', import.meta.url)));

describeMethod(fourierft, {
  onToy: { frequencies: 30, scaling: 40 },
  forms: {
    'a scaling relative to the layer': { frequencies: 10, init: 'normal', targets: ['attn.proj'] },
    'every target': {
      frequencies: 10,
      scaling: 40,
      targets: ['attn.q', 'attn.k', 'attn.v', 'attn.proj', 'mlp.fc1', 'mlp.fc2'],
    },
  },
  refused: [
    [{ frequencies: 0 }, /frequencies/],
    [{ scaling: 0 }, /scaling/],
    [{ init: 'ones' }, /init/],
    [{ targets: ['attn.qkv', 'attn.v'] }, /one of its own parts/],
  ],
  counts: [
    // The paper's 72K for ViT-B/16 on query and value, and the head of 100 classes.
    [fourierft.presets!.published!, 72_000 + 76_900],
    // peft 0.21.2 on timm's ViT-B/16.
    [{ targets: ['attn.qkv'] }, 88_900],
  ],
});

test('training equals peft’s, given the same frequencies', async () => {
  const given = { frequencies: 20, scaling: 60, init: 'normal', targets: ['attn.qkv', 'mlp.fc1', 'mlp.fc2'] };
  const { losses, parameters } = await replayTraining(fourierft, given, fixture, (start) => {
    const sizes = [
      [24, 8],
      [16, 8],
      [8, 16],
    ] as const;
    return new Map(
      sizes.flatMap(([out, into]) => {
        const { shape, data } = start.get(`frequencies.${out}x${into}`)!;
        const n = shape[1]!;
        const frequencies = Array.from({ length: n }, (_, k) => [data[k]!, data[n + k]!] as const);
        const tables = frequencyTables(frequencies, [out, into]);
        return [
          [`fourierft.${out}x${into}.out`, tables.out] as const,
          [`fourierft.${out}x${into}.in`, tables.in] as const,
        ];
      }),
    );
  });
  expect(losses).toBeLessThan(1e-4);
  for (const [name, difference] of parameters) expect(difference, name).toBeLessThan(1e-4);
});

test('frequencies are different entries, drawn anew for another seed', () => {
  const entries = (seed: number) => drawFrequencies(50, [8, 9], seed).map(([u, v]) => u * 9 + v);
  expect(new Set(entries(1)).size).toBe(50);
  expect(entries(1)).toEqual(entries(1));
  expect(entries(2)).not.toEqual(entries(1));
  expect([...drawFrequencies(72, [8, 9], 3).map(([u, v]) => u * 9 + v)].sort((a, b) => a - b)).toEqual(
    Array.from({ length: 72 }, (_, i) => i),
  );
});

test('more frequencies than a layer has elements are refused by the layer’s name', () => {
  expect(() => fourierft.parameters(toyVit, fourierft.options.parse({}))).toThrow(
    /layer blocks\.0\.attn\.q has/,
  );
});
