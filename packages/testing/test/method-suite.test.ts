import type { Tensor } from '@kora-bench/core/graph';
import { add } from '@kora-bench/core/ops';
import type { MethodDefinition, MethodHooks } from '@kora-bench/core/peft';
import { defineMethod, lowRankDelta } from '@kora-bench/core/peft';
import { plainBackbone } from '@kora-bench/testing/method-questions';
import type { MethodSuiteOptions } from '@kora-bench/testing/method-suite';
import { describeMethod, methodChecks } from '@kora-bench/testing/method-suite';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';

const site = 'blocks.1.mlp.fc1';

/** A low-rank adapter on one layer: the smallest method that keeps every promise. */
const adapter = defineMethod<{ readonly rank: number }>({
  name: 'adapter',
  description: 'a low-rank adapter on one layer',
  source: '',
  options: z.strictObject({ rank: z.int().positive().default(2) }),
  presets: { wide: { rank: 4 } },
  parameters: ({ width }, { rank }) => [
    { name: 'a', shape: [rank, width], init: { kind: 'normal', std: 0.1 } },
    { name: 'b', shape: [hiddenWidth(width), rank], init: { kind: 'zeros' } },
  ],
  attach: ({ parameter }) => adapt(parameter('a'), parameter('b')),
  merge(weights, parameters) {
    const [w, a, b] = [weights.get(`${site}.weight`)!, parameters.get('a')!, parameters.get('b')!];
    const [rank, width] = a.shape as [number, number];
    const data = Float64Array.from(w.data, (value, at) => {
      const [row, column] = [Math.floor(at / width), at % width];
      let delta = 0;
      for (let r = 0; r < rank; r++) delta += b.data[row * rank + r]! * a.data[r * width + column]!;
      return value + delta;
    });
    return new Map([[`${site}.weight`, { ...w, data }]]);
  },
});

/** Of the toy ViT and of ViT-B/16. */
const hiddenWidth = (width: number) => (width === 12 ? 24 : 4 * width);

function adapt(a: Tensor, b: Tensor): MethodHooks {
  return {
    value: ({ name, input, value }) => (name === site ? add(value, lowRankDelta(input, a, b, 1)) : value),
  };
}

describeMethod(adapter, {
  refused: [[{ rank: 0 }, /rank/]],
  counts: [[{}, 2 * (768 + 3072) + 76_900]],
});

/** Names of the checks that fail. */
async function failures(definition: MethodDefinition, options?: MethodSuiteOptions): Promise<string[]> {
  const failed: string[] = [];
  for (const { name, check } of Object.values(methodChecks(definition, options)).flat()) {
    try {
      await check();
    } catch {
      failed.push(name);
    }
  }
  return [...new Set(failed)];
}

const start = 'the start is the backbone’s own output';
const leaves = 'a gradient leaves the start';
const reaches = 'a gradient reaches every parameter that trains';
const trains = 'the loss falls and everything that trains moves';
const declared = 'every parameter has a finite start and trains in some stage, or is left out of the count';
const counted = 'the count is the number of elements that train';

const faulty: readonly (readonly [
  fault: string,
  change: Partial<MethodDefinition<{ readonly rank: number }>>,
  failed: readonly string[],
])[] = [
  [
    'options that take anything',
    { options: z.object({ rank: z.int().default(2) }) },
    ['{"noSuchOption":1} is refused by name'],
  ],
  [
    'a preset that is not valid',
    { presets: { wide: { rank: 'four' } } },
    ['preset wide: valid, and the same when read again'],
  ],
  [
    'a start beside the backbone’s output',
    {
      parameters: (model, options) =>
        adapter
          .parameters(model, options)
          .map((spec) => ({ ...spec, init: { kind: 'normal', std: 0.1 } as const })),
    },
    [start],
  ],
  [
    'a dead start',
    {
      parameters: (model, options) =>
        adapter.parameters(model, options).map((spec) => ({ ...spec, init: { kind: 'zeros' } as const })),
    },
    [leaves, trains],
  ],
  [
    'a parameter that nothing reads',
    {
      parameters: (model, options) => [
        ...adapter.parameters(model, options),
        { name: 'c', shape: [3], init: { kind: 'zeros' } },
      ],
    },
    [reaches, trains],
  ],
  [
    'a parameter that is counted but never trains',
    { stages: () => [{ name: 'train', trains: (name) => name !== 'a', share: 1 }] },
    [declared, counted],
  ],
  [
    'stages that leave epochs over',
    { stages: () => [{ name: 'train', trains: () => true, share: 0.5 }] },
    ['stages have names of their own, and the last one all epochs'],
  ],
  [
    'merging that forgets the adapter',
    { merge: (weights) => new Map([[`${site}.weight`, weights.get(`${site}.weight`)!]]) },
    ['merged weights give the unmerged logits within 1e-4, and not the backbone’s'],
  ],
];

describe('the suite finds', () => {
  it.each(faulty)('%s', async (_, change, failed) => {
    expect((await failures({ ...adapter, ...change } as MethodDefinition)).sort()).toEqual(
      [...failed].sort(),
    );
  });

  it('a count that is not the published one', async () => {
    expect(await failures(adapter, { counts: [[{}, 1]] })).toEqual(['{} trains 1']);
  });

  it('a gradient that reaches what is said to be unused', async () => {
    expect(await failures(adapter, { unused: (name) => name === 'a' })).toEqual([reaches]);
  });

  it('nothing in a backbone by itself but its lax options', async () => {
    expect(await failures(plainBackbone)).toEqual(['{"noSuchOption":1} is refused by name']);
  });
});
