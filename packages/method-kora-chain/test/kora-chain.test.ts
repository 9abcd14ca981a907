import { vitArchitecture } from '@kora-bench/core/nn';
import { buildEvalProgram } from '@kora-bench/core/training';
import koraChain from '@kora-bench/method-kora-chain';
import { classificationTask } from '@kora-bench/tasks';
import {
  gradientSizes,
  largestDifference,
  logits,
  startValues,
  trainedValues,
} from '@kora-bench/testing/method-questions';
import { describeMethod } from '@kora-bench/testing/method-suite';
import { toyVit, toyVitConfig, vitBase } from '@kora-bench/testing/vit-configs';
import { describe, expect, it, test } from 'vitest';

const { published, 'published-d8': publishedD8 } = koraChain.presets!;

describeMethod(koraChain, {
  forms: {
    'residual links with norms and a read-out each': { links: 'residual', normalize: true, readOut: 'each' },
  },
  refused: [
    [{ rank: 0 }, /rank/],
    [{ alpha: -1 }, /alpha/],
    [{ dComp: 0 }, /dComp/],
    [{ trainFinalProjection: 'no' }, /trainFinalProjection/],
    [{ scaling: 'alpha' }, /scaling/],
    [{ links: 'dense' }, /links/],
    [{ normalize: true, dComp: 1 }, /dComp[\s\S]*2 or more/],
    [{ start: 'orthogonal', links: 'residual' }, /start[\s\S]*plain links/],
    [{ start: 'orthogonal', normalize: true }, /start[\s\S]*plain links/],
  ],
  counts: [
    [published!, 1_590_224],
    [publishedD8!, 1_926_940],
    [{ dComp: 4 }, 1_590_224 + 768 * 4 + 768],
    [{ links: 'residual' }, 1_590_224 + 768 * 4 + 768],
    [{ start: 'orthogonal' }, 1_590_224 + 768 * 4 + 768],
    [{ normalize: true }, 1_590_224 + 768 * 4 + 768 + 95 * 4],
    [{ readOut: 'each' }, 1_590_224 + 48 * 768 * 4 + 768],
    [{ readOut: 'each', trainFinalProjection: false }, 1_590_224],
  ],
});

test('ViT-B/16 gets 48 composers and 47 couplings', () => {
  const names = koraChain.parameters(vitBase, koraChain.options.parse({})).map(({ name }) => name);
  expect(names.filter((name) => /^phi\.\d+\.weight$/.test(name))).toHaveLength(48);
  expect(names.filter((name) => /^psi\.\d+\.weight$/.test(name))).toHaveLength(47);
});

test('by default F trains', async () => {
  const sizes = await gradientSizes(koraChain, await startValues(koraChain));
  expect(sizes.has('final_projection.weight')).toBe(true);
});

test('at the start B lets nothing through: only A, P and what reads p_0 alone wait for it', async () => {
  const sizes = await gradientSizes(koraChain, await startValues(koraChain));
  for (const [name, size] of sizes) {
    const waits = name.endsWith('.lora_A') || name.endsWith('.project.weight') || name === 'phi.0.weight';
    if (waits) expect(size, name).toBe(0);
    else expect(size, name).toBeGreaterThan(0);
  }
});

test('trainFinalProjection: false keeps F out of the step and says so', async () => {
  const given = { trainFinalProjection: false };
  const sizes = await gradientSizes(koraChain, await startValues(koraChain, given), given);
  expect([...sizes.keys()].filter((name) => name.startsWith('final_projection'))).toEqual([]);
  const options = koraChain.options.parse(given);
  expect(koraChain.caveats!(options).map(({ code }) => code)).toEqual([
    'FROZEN_PROJECTION',
    'VANISHING_CHAIN',
  ]);
  expect(koraChain.caveats!(koraChain.options.parse({})).map(({ code }) => code)).toEqual([
    'VANISHING_CHAIN',
  ]);
});

test('alpha scales the delta of the class token: the logits are affine in it', async () => {
  const values = trainedValues(await startValues(koraChain), koraChain);
  const at = (alpha: number) => logits(koraChain, values, { alpha });
  const [one, two, three] = [await at(1), await at(2), await at(3)];
  expect(largestDifference(one, two)).toBeGreaterThan(1e-3);
  expect(
    largestDifference(
      three,
      two.map((value, i) => 2 * value - one[i]!),
    ),
  ).toBeLessThan(1e-9);
});

test('the adapters run on one pooled vector per image, not on every token', () => {
  const method = { definition: koraChain, options: koraChain.options.parse({}) };
  const task = classificationTask(4);
  const spec = { model: toyVit, method, task, batchSize: 3, stage: 'train', trains: () => false };
  const { program } = buildEvalProgram(spec, ['prediction']);
  const adapterInputs = program.nodes
    .filter(({ op }) => op.kind === 'frozen' && op.name.endsWith('.lora_A'))
    .map(({ id }) => program.nodes.find(({ op, inputs }) => op.kind === 'linear' && inputs[1] === id)!)
    .map(({ inputs }) => program.nodes[inputs[0]!]!.shape);
  expect(adapterInputs).toHaveLength(8);
  for (const shape of adapterInputs) expect(shape.slice(0, -1).reduce((a, b) => a * b, 1)).toBe(3);
});

const deep = vitArchitecture({ ...toyVitConfig, depth: 12 });

test('the caveat holds: across 48 links the gradient shrinks below what float32 can hold', async () => {
  const sizes = await gradientSizes(koraChain, await startValues(koraChain, {}, deep), {}, { model: deep });
  const smallestFloat32 = 2 ** -149;
  expect(sizes.get('blocks.11.mlp.fc2.lora_B')).toBeGreaterThan(1e-4);
  expect(sizes.get('blocks.9.mlp.fc2.lora_B')).toBeLessThan(1e-8);
  expect(sizes.get('blocks.0.mlp.fc2.lora_B')).toBeGreaterThan(0);
  expect(sizes.get('blocks.0.mlp.fc2.lora_B')).toBeLessThan(smallestFloat32);
});

describe('what mends the chain', () => {
  const { residual, normalized, orthogonal, 'read-out': readOut } = koraChain.presets!;

  // Far above AdamW's eps of 1e-8, let alone float32's smallest number.
  it.each(Object.entries({ residual, normalized, orthogonal, readOut }))(
    '%s: every gradient of the first block is above 1e-6 at the start, and no caveat is left',
    async (_name, given) => {
      const values = await startValues(koraChain, given, deep);
      const sizes = await gradientSizes(koraChain, values, given, { model: deep });
      for (const layer of ['attn.qkv', 'attn.proj', 'mlp.fc1', 'mlp.fc2'])
        expect(Math.fround(sizes.get(`blocks.0.${layer}.lora_B`)!), layer).toBeGreaterThan(1e-6);
      expect(Math.max(...sizes.values())).toBeLessThan(100);
      expect(koraChain.caveats!(koraChain.options.parse(given))).toEqual([]);
    },
  );

  it('a norm of four numbers is not enough, and the caveat stays', async () => {
    const given = { normalize: true, dComp: 4 };
    const values = await startValues(koraChain, given, deep);
    const sizes = await gradientSizes(koraChain, values, given, { model: deep });
    expect(sizes.get('blocks.0.mlp.fc2.lora_B')).toBeLessThan(1e-12);
    expect(koraChain.caveats!(koraChain.options.parse(given)).map(({ code }) => code)).toEqual([
      'VANISHING_CHAIN',
    ]);
  });

  it('an orthogonal start is twice an orthogonal matrix', async () => {
    const { data } = (await startValues(koraChain, orthogonal)).get('phi.3.weight')!;
    for (let i = 0; i < 4; i++) {
      for (let j = 0; j < 4; j++) {
        const product = [0, 1, 2, 3].reduce((sum, k) => sum + data[i * 4 + k]! * data[j * 4 + k]!, 0);
        expect(product).toBeCloseTo(i === j ? 4 : 0, 5);
      }
    }
  });
});
