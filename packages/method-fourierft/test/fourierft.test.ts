import { readFileSync } from 'node:fs';
import { hostTensor } from '@kora-bench/core/graph';
import fourierft from '@kora-bench/method-fourierft';
import { describeMethod } from '@kora-bench/testing/method-suite';
import { fixtureVit, replayTraining } from '@kora-bench/testing/replay-training';
import { toyVit } from '@kora-bench/testing/vit-configs';
import { expect, test } from 'vitest';
import { drawFrequencies, frequencyTables, tablesOf } from '../src/frequency-tables.js';
import { adaptedLayers, coefficientsName } from '../src/options.js';

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
    [{ locationSeed: -1 }, /locationSeed/],
    [{ targets: ['attn.qkv', 'attn.v'] }, /one of its own parts/],
  ],
  counts: [
    // The paper's 72K for ViT-B/16 on query and value, and the head of 100 classes.
    [fourierft.presets!.published!, 72_000 + 76_900],
    // peft 0.21.2 on timm's ViT-B/16.
    [{ targets: ['attn.qkv'] }, 88_900],
  ],
});

test('training equals peft’s, with the frequencies that it draws', async () => {
  const given = { frequencies: 20, scaling: 60, init: 'normal', targets: ['attn.qkv', 'mlp.fc1', 'mlp.fc2'] };
  const options = fourierft.options.parse(given);
  const { losses, parameters } = await replayTraining(fourierft, given, fixture, (start) => {
    for (const [name, { shape, data }] of start) {
      const size = /^frequencies\.(\d+)x(\d+)$/.exec(name);
      if (size === null) continue;
      const [n, sides] = [shape[1]!, [Number(size[1]), Number(size[2])] as const];
      const theirs = Array.from({ length: n }, (_, k) => [data[k]!, data[n + k]!]);
      expect(drawFrequencies(n, sides, options.locationSeed), name).toEqual(theirs);
    }
    return tablesOf(adaptedLayers(fixtureVit, options), options);
  });
  expect(losses).toBeLessThan(1e-4);
  for (const [name, difference] of parameters) expect(difference, name).toBeLessThan(1e-4);
});

test('frequencies are different entries, others for another seed, all of them where as many are asked for', () => {
  const entries = (seed: number, n = 50) => drawFrequencies(n, [8, 9], seed).map(([u, v]) => u * 9 + v);
  expect(new Set(entries(1)).size).toBe(50);
  expect(entries(2)).not.toEqual(entries(1));
  expect(entries(3, 72).sort((a, b) => a - b)).toEqual(Array.from({ length: 72 }, (_, i) => i));
});

/** The adapter of the toy whose coefficients are 1 in its first layer, 2 in the second, and so on. */
async function writeToy(options: object, base: 'checkpoint' | 'start') {
  const parsed = fourierft.options.parse(options);
  const values = new Map(
    adaptedLayers(toyVit, parsed).map((layer, at) => [
      coefficientsName(layer),
      hostTensor([parsed.frequencies], new Float32Array(parsed.frequencies).fill(at + 1)),
    ]),
  );
  return fourierft.peft!.write({
    model: toyVit,
    options: parsed,
    values,
    base,
    pretrained: () => {
      throw new Error('none');
    },
  });
}

test('what peft has one scaling for goes into the coefficients', async () => {
  const { config, tensors } = await writeToy(
    { frequencies: 6, targets: ['attn.proj', 'mlp.fc1'] },
    'checkpoint',
  );
  const [proj, fc1] = ['attn.proj', 'mlp.fc1'].map(
    (kind) => toyVit.sites.find((site) => site.kind === kind)!,
  );
  const scale = (site: typeof proj) =>
    Math.sqrt(2 / (6 * site!.inFeatures)) * site!.inFeatures * site!.outFeatures;
  expect(config['scaling']).toBeCloseTo(scale(proj), 10);
  expect(tensors.get('base_model.model.blocks.0.mlp.fc1.fourierft_spectrum')!.data[0]).toBeCloseTo(
    (2 * scale(fc1)) / scale(proj),
    5,
  );
});

test('peft is not asked to train layers with scalings of their own, nor a part of qkv', async () => {
  await expect(writeToy({ frequencies: 6, targets: ['attn.proj', 'mlp.fc1'] }, 'start')).rejects.toThrow(
    /one scaling/,
  );
  await expect(writeToy({ frequencies: 6 }, 'checkpoint')).rejects.toThrow(/part of the fused qkv/);
});

test.each([
  [5, 7],
  [7, 5],
  [6, 4],
  [4, 6],
  [8, 8],
] as const)('the tables of a layer [%d, %d] make the inverse transform', (out, into) => {
  const frequencies = drawFrequencies(9, [out, into], 3);
  const coefficients = frequencies.map((_, k) => Math.sin(k + 1));
  const { rows, waves, inverse } = frequencyTables(frequencies, [out, into]);
  const [short, long] = [Math.min(out, into), Math.max(out, into)];
  const r = rows.shape[1]!;
  const sum = (row: number, column: number) =>
    coefficients.reduce(
      (total, c, k) => total + c * rows.data[k * r + row]! * waves.data[k * 2 * long + column]!,
      0,
    );
  for (let p = 0; p < short; p++) {
    for (let q = 0; q < long; q++) {
      let made = 0;
      for (let row = 0; row < r; row++) {
        made += inverse.data[(p * r + row) * 2]! * sum(row, q);
        made += inverse.data[(p * r + row) * 2 + 1]! * sum(row, long + q);
      }
      const [i, j] = out <= into ? [p, q] : [q, p];
      const wanted = frequencies.reduce(
        (total, [u, v], k) =>
          total + coefficients[k]! * Math.cos(2 * Math.PI * ((u * i) / out + (v * j) / into)),
        0,
      );
      expect(made).toBeCloseTo(wanted, 5);
    }
  }
});

test('more frequencies than a layer has elements are refused by the layer’s name', () => {
  expect(() => fourierft.parameters(toyVit, fourierft.options.parse({}))).toThrow(
    /layer blocks\.0\.attn\.q has/,
  );
});
