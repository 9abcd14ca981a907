import { InternalError } from '@kora-bench/core/errors';
import { hostTensor } from '@kora-bench/core/graph';
import { vitArchitecture } from '@kora-bench/core/nn';
import type { ConfiguredMethod } from '@kora-bench/core/peft';
import { defineMethod } from '@kora-bench/core/peft';
import {
  countParameters,
  joinFlat,
  layoutParameters,
  modelParameters,
  splitFlat,
} from '@kora-bench/core/training';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { toyClassification, toyDepth } from './toy-tasks.js';

const vit = (name: string, width: number, heads: number, patchSize = 16) =>
  vitArchitecture({
    name,
    imageSize: [224, 224],
    patchSize,
    width,
    depth: 12,
    heads,
    mlpWidth: 4 * width,
    numClasses: 1000,
    layerNormEps: 1e-6,
  });

const base = vit('vit_base_patch16_224', 768, 12);

/** A method that adds one `[3, 4]` matrix and trains the backbone's norms. */
function method(parameter: string, uncounted = false): ConfiguredMethod {
  const definition = defineMethod<unknown>({
    name: 'toy',
    description: '',
    source: '',
    options: z.strictObject({}),
    parameters: () => [{ name: parameter, shape: [3, 4], init: { kind: 'zeros' } }],
    trainsBackbone: (name) => name === 'norm.weight' || name === 'norm.bias',
    uncounted: () => uncounted,
  });
  return { definition, options: {} };
}

describe('parameter counts without weights', () => {
  // The counts that timm reports for these models with 1000 classes.
  it.each([
    [vit('vit_tiny_patch16_224', 192, 3), 5_717_416],
    [vit('vit_small_patch16_224', 384, 6), 22_050_664],
    [base, 86_567_656],
    [vit('vit_base_patch32_224', 768, 12, 32), 88_224_232],
  ])('$name', (model, parameters) => {
    expect(countParameters(model, method('own'), toyClassification(10)).backbone).toBe(parameters);
  });

  it('add the method, the head and what trains of the backbone', () => {
    const head = 100 * 768 + 100;
    const counted = countParameters(base, method('own'), toyClassification(100));
    expect(counted.trainable).toBe(12 + head + 2 * 768);
    expect(counted.share).toBeCloseTo(counted.trainable / (86_567_656 + 12 + head), 15);
    expect(countParameters(base, method('own', true), toyClassification(100)).trainable).toBe(head + 2 * 768);
  });
});

describe('a model’s parameters', () => {
  it('are the backbone without its classifier, the method’s and the head’s', () => {
    const all = modelParameters(base, method('own'), toyDepth());
    const backbone = all.filter(({ owner }) => owner === 'backbone').map(({ name }) => name);
    expect(backbone).toEqual([...base.weights.keys()]);
    expect(all.filter(({ owner }) => owner !== 'backbone')).toMatchObject([
      { name: 'own', owner: 'method', shape: [3, 4] },
      { name: 'head.weight', owner: 'head', shape: [256, 1536] },
      { name: 'head.bias', owner: 'head', shape: [256] },
    ]);
  });

  it.each(['head.weight', 'blocks.3.attn.qkv.weight'])('refuse a method that claims %s', (name) => {
    expect(() => modelParameters(base, method(name), toyClassification(10))).toThrow(
      expect.objectContaining({ code: 'INPUT', where: 'method toy', fix: expect.stringContaining('Prefix') }),
    );
  });
});

describe('the flat vector', () => {
  const layout = layoutParameters([
    { name: 'a', shape: [2, 3] },
    { name: 'gate', shape: [] },
    { name: 'b', shape: [2] },
  ]);

  it('holds the parameters one after the other and gives them back', () => {
    expect(layout.length).toBe(9);
    const values = new Map([
      ['a', Float32Array.of(1, 2, 3, 4, 5, 6)],
      ['gate', Float32Array.of(7)],
      ['b', Float32Array.of(8, 9)],
    ]);
    const flat = joinFlat((name) => values.get(name)!, layout);
    expect([...flat.data]).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
    const split = splitFlat(flat, layout);
    expect([...split].map(([name, { shape }]) => [name, shape])).toEqual([
      ['a', [2, 3]],
      ['gate', []],
      ['b', [2]],
    ]);
    for (const [name, { data }] of split) expect(data).toEqual(values.get(name));
  });

  it('refuses a value of another size by name', () => {
    const value = hostTensor([2], Float32Array.of(1, 2)).data;
    expect(() => joinFlat(() => value, layout)).toThrow(InternalError);
    expect(() => joinFlat(() => value, layout)).toThrow(/value of a has 2 elements instead of 6/);
  });
});
