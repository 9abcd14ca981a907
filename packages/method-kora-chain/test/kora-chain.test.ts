import { buildEvalProgram, classificationTask, countParameters } from '@kora-bench/core';
import koraChain from '@kora-bench/method-kora-chain';
import {
  gradientSizes,
  largestDifference,
  logits,
  startValues,
  toyModel,
  trained,
  vitBase,
} from '@kora-bench/method-testing';
import { describe, expect, test } from 'vitest';

const task = classificationTask(100);
const count = (given: object) =>
  countParameters(vitBase, { definition: koraChain, options: koraChain.options.parse(given) }, task);

describe('options', () => {
  test.each([
    [{ rank: 0 }, /rank/],
    [{ alpha: -1 }, /alpha/],
    [{ dComp: 0 }, /dComp/],
    [{ trainFinalProjection: 'no' }, /trainFinalProjection/],
    [{ scaling: 'alpha' }, /scaling/],
  ])('%j is rejected by name', (options, message) => {
    expect(() => koraChain.options.parse(options)).toThrow(message);
  });
});

describe('counts on ViT-B/16 with a head of 100', () => {
  test('as published: F left out', () => {
    expect(count(koraChain.presets!.published!).trainable).toBe(1_590_224);
    expect(count(koraChain.presets!['published-d8']!).trainable).toBe(1_926_940);
  });

  test('a trained F counts', () => {
    expect(count({ dComp: 4 }).trainable).toBe(1_590_224 + 768 * 4 + 768);
  });

  test('48 composers and 47 couplings', () => {
    const names = koraChain.parameters(vitBase, koraChain.options.parse({})).map(({ name }) => name);
    expect(names.filter((name) => /^phi\.\d+\.weight$/.test(name))).toHaveLength(48);
    expect(names.filter((name) => /^psi\.\d+\.weight$/.test(name))).toHaveLength(47);
  });
});

test('gradients reach every parameter', async () => {
  const values = trained(startValues(koraChain), koraChain);
  const sizes = await gradientSizes(koraChain, values);
  expect(sizes.has('final_projection.weight')).toBe(true);
  for (const [name, size] of sizes) expect(size, name).toBeGreaterThan(0);
});

test('at the start B lets nothing through: only A, P and what reads p_0 alone wait for it', async () => {
  const sizes = await gradientSizes(koraChain, startValues(koraChain));
  for (const [name, size] of sizes) {
    const waits = name.endsWith('.lora_A') || name.endsWith('.project.weight') || name === 'phi.0.weight';
    if (waits) expect(size, name).toBe(0);
    else expect(size, name).toBeGreaterThan(0);
  }
});

test('trainFinalProjection: false keeps F out of the step and says so', async () => {
  const given = { trainFinalProjection: false };
  const sizes = await gradientSizes(koraChain, startValues(koraChain, given), given);
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
  const values = trained(startValues(koraChain), koraChain);
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
  const spec = { model: toyModel, method, task, batchSize: 3, stage: 'train', trains: () => false };
  const { program } = buildEvalProgram(spec, ['prediction']);
  const adapterInputs = program.nodes
    .filter(({ op }) => op.kind === 'frozen' && op.name.endsWith('.lora_A'))
    .map(({ id }) => program.nodes.find(({ op, inputs }) => op.kind === 'linear' && inputs[1] === id)!)
    .map(({ inputs }) => program.nodes[inputs[0]!]!.shape);
  expect(adapterInputs).toHaveLength(8);
  for (const shape of adapterInputs) expect(shape.slice(0, -1).reduce((a, b) => a * b, 1)).toBe(3);
});

test('the caveat holds: across 48 links the gradient shrinks below what float32 can hold', async () => {
  const deep = { ...toyModel, depth: 12 };
  const sizes = await gradientSizes(koraChain, startValues(koraChain, {}, deep), {}, { model: deep });
  const smallestFloat32 = 2 ** -149;
  expect(sizes.get('blocks.11.mlp.fc2.lora_B')).toBeGreaterThan(1e-4);
  expect(sizes.get('blocks.9.mlp.fc2.lora_B')).toBeLessThan(1e-8);
  expect(sizes.get('blocks.0.mlp.fc2.lora_B')).toBeGreaterThan(0);
  expect(sizes.get('blocks.0.mlp.fc2.lora_B')).toBeLessThan(smallestFloat32);
});
