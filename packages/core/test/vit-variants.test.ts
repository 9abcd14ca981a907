import { GraphBuilder } from '@kora-bench/core/graph';
import type { Site, VitConfig, VitVariant } from '@kora-bench/core/nn';
import { vitArchitecture } from '@kora-bench/core/nn';
import { describe, expect, it } from 'vitest';

const plain: VitConfig = {
  name: 'toy',
  imageSize: [8, 12],
  patchSize: 4,
  width: 8,
  depth: 2,
  heads: 2,
  mlpWidth: 12,
  numClasses: 3,
  layerNormEps: 1e-6,
};

const variants: readonly (readonly [string, VitVariant])[] = [
  ['plain', {}],
  [
    'registers, layer scale and SwiGLU',
    { registers: 3, positions: 'patches', layerScale: true, mlp: 'swiglu' },
  ],
  ['norm before the blocks', { preNorm: true, activation: 'quick_gelu', headBias: false }],
  ['attention pooling', { classToken: false, pool: 'map', poolPrefix: true, registers: 1 }],
  ['distilled', { distilledToken: true, pool: 'distilled', qkvBias: false }],
  ['mean pooling', { classToken: false, pool: 'avg', lastNorm: 'pooled', qkNorm: true, projBias: false }],
  ['no last norm', { lastNorm: 'none' }],
];

describe('a Vision Transformer passes its sites once, in order, with the sizes that they declare', () => {
  it.each(variants)('%s', (_, variant) => {
    const model = vitArchitecture({ ...plain, ...variant });
    const builder = new GraphBuilder();
    const passed: Site[] = [];
    const read = new Set<string>();
    const weight = (name: string) => {
      read.add(name);
      return builder.frozen(name, model.weights.get(name)!);
    };
    const value = (site: Site) => {
      passed.push(site);
      return site.value;
    };
    const { features, blocks, tokens } = model.forward(builder.feed('images', [2, 3, 8, 12]), {
      weight,
      hooks: { value },
    });
    expect(passed.map(({ name }) => name)).toEqual(model.sites.map(({ name }) => name));
    for (const { name, inFeatures, outFeatures, input, value: given, weight: own, bias } of passed) {
      expect([input.shape.at(-1), given.shape.at(-1)], name).toEqual([inFeatures, outFeatures]);
      for (const used of [own, bias])
        if (used !== undefined) expect(model.weights.has(used), used).toBe(true);
    }
    expect([...read].sort()).toEqual([...model.weights.keys()].sort());
    expect(features.shape).toEqual([2, 8]);
    const count = model.tokens.prefix.length + 6;
    for (const each of [...blocks, tokens]) expect(each.value.shape).toEqual([2, count, 8]);
  });
});
