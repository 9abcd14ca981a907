import type { HostTensor } from '@kora-bench/core/graph';
import { hostTensor } from '@kora-bench/core/graph';
import { add, mul, sum } from '@kora-bench/core/ops';
import { initializeMethod, siteInputsOf, train, WeightStore } from '@kora-bench/trainer';
import { describe, expect, it } from 'vitest';
import {
  checkpoint,
  model,
  preprocessing,
  startWeights,
  task,
  toyContext,
  toyMethod,
  toySplit,
  training,
} from './toy.js';

const own = { name: 'own', shape: [12], init: { kind: 'zeros' } } as const;
const shifting = {
  parameters: () => [own],
  attach: ({ parameter }) => ({
    value: ({ kind, value }) => (kind === 'features' ? add(value, parameter('own')) : value),
  }),
} satisfies Parameters<typeof toyMethod>[0];

describe('a start that a method computes', () => {
  it('may come from what layers read of training images', async () => {
    const seen: HostTensor[] = [];
    const method = toyMethod({
      ...shifting,
      async initialize({ siteInputs }) {
        const inputs = await siteInputs(['blocks.1.mlp.fc1'], 2);
        seen.push(...inputs.get('blocks.1.mlp.fc1')!);
        return new Map([['own', hostTensor([12], Float32Array.from(seen[0]!.data.slice(0, 12)))]]);
      },
    });
    const context = await toyContext({ method });
    const weights = new WeightStore(checkpoint());
    const { split } = toySplit(6);
    await initializeMethod(
      context,
      weights,
      siteInputsOf(context, weights, { split, preprocessing, batchSize: 4 }),
    );
    expect(seen.map(({ shape }) => shape)).toEqual([
      [4, 5, 12],
      [2, 5, 12],
    ]);
    // What fc1 reads comes from a norm with weight 1 and bias 0: each token has mean 0 and variance 1.
    const token = Array.from(seen[1]!.data.slice(12, 24));
    expect(token.reduce((total, x) => total + x, 0)).toBeCloseTo(0, 4);
    expect(token.reduce((total, x) => total + x * x, 0) / 12).toBeCloseTo(1, 2);
    expect(weights.get('own').data).toEqual(Float32Array.from(seen[0]!.data.slice(0, 12)));
  });

  it('may put a weight of the backbone in another form, which is then no checkpoint’s any more', async () => {
    const name = 'blocks.0.mlp.fc1.weight';
    const method = toyMethod({
      ...shifting,
      initialize: ({ weights }) => {
        const { shape, data } = weights.get(name)!;
        return new Map([
          [
            name,
            hostTensor(
              shape,
              Float32Array.from(data, (x) => x / 2),
            ),
          ],
        ]);
      },
    });
    const weights = new WeightStore(checkpoint());
    const before = weights.get(name).data[5]!;
    await initializeMethod({ model, method, seed: 0 }, weights);
    expect(weights.get(name).data[5]).toBe(before / 2);
    expect(weights.isPretrained(name)).toBe(false);
    await initializeMethod({ model, method, seed: 0 }, weights);
    expect(weights.get(name).data[5]).toBe(before / 2);
  });

  it.each([
    [
      { initialize: () => new Map([['typo', hostTensor([12], new Float32Array(12))]]) },
      /typo a value that does not fit/,
    ],
    [
      { initialize: () => new Map([['own', hostTensor([3], new Float32Array(3))]]) },
      /own a value that does not fit/,
    ],
    [
      {
        initialize: ({ siteInputs }: { siteInputs: (sites: string[], n: number) => Promise<never> }) =>
          siteInputs(['features'], 1),
      },
      /no training images/,
    ],
  ])('is refused where it does not fit', async (parts, message) => {
    const method = toyMethod({ ...shifting, ...(parts as Parameters<typeof toyMethod>[0]) });
    const weights = new WeightStore(checkpoint());
    await expect(initializeMethod({ model, method, seed: 0 }, weights)).rejects.toThrow(message);
  });
});

it('a penalty is part of the loss, and trains', async () => {
  const one = { ...own, init: { kind: 'constant', value: 1 } } as const;
  const penalized = (factor: number) =>
    toyMethod({
      parameters: () => [one],
      attach: ({ parameter }) => ({
        penalty: () => mul(sum(mul(parameter('own'), parameter('own'))), factor),
      }),
    });
  const run = async (factor: number) => {
    const method = penalized(factor);
    const weights = startWeights(method);
    const spec = { name: 'toy', task, training: training({ epochs: 1 }) };
    const { losses } = await train(await toyContext({ method }), weights, spec, {
      split: toySplit(8).split,
      preprocessing,
    });
    return { loss: losses[0]!.loss, own: weights.get('own').data[0]! };
  };
  const [none, some] = [await run(0), await run(0.5)];
  expect(some.loss - none.loss).toBeCloseTo(0.5 * 12, 4);
  expect(none.own).toBeGreaterThan(some.own);
});
