import type { HostTensor, Tensor } from '@kora-bench/core/graph';
import { hostTensor, sizeOf } from '@kora-bench/core/graph';
import { prefixToken } from '@kora-bench/core/nn';
import { add, concat, div, matmul, mul, narrow, sqrt, stopGradient, sum } from '@kora-bench/core/ops';
import type { ConfiguredMethod, MethodDefinition, MethodHooks } from '@kora-bench/core/peft';
import {
  defineMethod,
  dropout,
  dropPath,
  initialValue,
  lowRankDelta,
  noiseFeeds,
} from '@kora-bench/core/peft';
import type { ModelSpec } from '@kora-bench/core/training';
import {
  buildEvalProgram,
  buildTrainProgram,
  canMerge,
  defaultAdamW,
  isTrainable,
  mergeMethod,
  modelParameters,
  traceModel,
} from '@kora-bench/core/training';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { toyClassification } from './toy-tasks.js';
import { toyVit } from './toy-vit.js';

type Parts = Partial<MethodDefinition<unknown>>;

function methodOf(parts: Parts): ConfiguredMethod {
  const definition = defineMethod<unknown>({
    name: 'mine',
    description: '',
    source: '',
    options: z.strictObject({}),
    parameters: () => [],
    ...parts,
  });
  return { definition, options: {} };
}

const specOf = (method: ConfiguredMethod): ModelSpec => ({
  model: toyVit,
  method,
  task: toyClassification(7),
  batchSize: 4,
  stage: 'train',
  trains: (parameter) => isTrainable(parameter, method),
});
const trained = (method: ConfiguredMethod) =>
  buildTrainProgram({ ...specOf(method), optimizer: defaultAdamW });
const hooked = (hooks: MethodHooks, parts: Parts = {}) => methodOf({ attach: () => hooks, ...parts });

/** Low-rank matrices on the MLP's first layer, as a weight in another form. */
const lowRank = (form: (weight: Tensor, delta: Tensor) => Tensor) =>
  methodOf({
    parameters: ({ width }) => [
      { name: 'a', shape: [2, width], init: { kind: 'normal', std: 0.1 } },
      { name: 'b', shape: [64, 2], init: { kind: 'normal', std: 0.1 } },
    ],
    attach: ({ parameter }) => ({
      weight: ({ name }, weight) =>
        name === 'blocks.0.mlp.fc1' ? form(weight, matmul(parameter('b'), parameter('a'))) : weight,
    }),
  });

describe('mistakes in a method', () => {
  it('an unknown parameter names the method, the nearest name and the author’s line', () => {
    const method = methodOf({
      parameters: () => [{ name: 'scale', shape: [16], init: { kind: 'zeros' } }],
      attach: ({ parameter }) => ({ value: ({ value }) => add(value, parameter('scael')) }),
    });
    expect(() => trained(method)).toThrow(
      expect.objectContaining({
        code: 'METHOD',
        message: expect.stringMatching(/method mine .*hook at patch_embed.*no parameter "scael"/),
        where: expect.stringContaining('method-hooks.test.ts'),
        fix: 'Did you mean scale?',
      }),
    );
  });

  it.each<readonly [string, MethodHooks, RegExp]>([
    ['throws', { value: () => JSON.parse('{') }, /fails in its value hook at patch_embed/],
    ['returns nothing', { value: (() => undefined) as never }, /returns no tensor/],
    ['changes a shape', { value: ({ value }) => narrow(value, 0, 0, 1) }, /changes the shape/],
    [
      'changes a weight’s shape',
      { weight: (_, weight) => narrow(weight, 0, 0, 1) },
      /weight hook at patch_embed/,
    ],
    ['has no such hook', { valeu: () => undefined } as never, /does not return hooks/],
    ['returns a function', (() => undefined) as never, /does not return hooks/],
    [
      'drops a token',
      { tokens: ({ tokens }) => ({ ...tokens, value: narrow(tokens.value, 1, 1, 65) }) },
      /not as many as their layout/,
    ],
    [
      'renames the class token',
      { tokens: ({ tokens }) => ({ ...tokens, layout: { ...tokens.layout, prefix: ['register'] } }) },
      /drops or moves tokens/,
    ],
    [
      'adds keys without values',
      { keysAndValues: ({ keys, values }) => ({ keys: concat([keys, keys], 2), values }) },
      /do not belong together/,
    ],
  ])('a hook that %s is refused with its site', (_, hooks, message) => {
    expect(() => trained(hooked(hooks))).toThrow(message);
  });

  it('a penalty that is not a scalar is refused', () => {
    const method = methodOf({
      parameters: () => [{ name: 'own', shape: [3], init: { kind: 'zeros' } }],
      attach: ({ parameter }) => ({ penalty: () => parameter('own') }),
    });
    expect(() => trained(method)).toThrow(/penalty is not a scalar/);
  });

  it('prompts are refused where attention has a bias per pair of positions', () => {
    const method = hooked({
      tokens: ({ tokens: { value, layout } }) => ({
        value: concat([narrow(value, 1, 0, 1), value], 1),
        layout: { ...layout, prefix: ['prompt', ...layout.prefix] },
      }),
    });
    const model = { ...toyVit, acceptsPrompts: false };
    const spec = { ...specOf(method), model, optimizer: defaultAdamW };
    expect(() => buildTrainProgram(spec)).toThrow(/toy-vit cannot take prompts/);
  });
});

describe('tokens', () => {
  const prompted = methodOf({
    parameters: ({ width }) => [{ name: 'prompts', shape: [4, 3, width], init: { kind: 'zeros' } }],
    attach: ({ parameter }) => ({
      tokens: ({ block, tokens: { value, layout } }) =>
        block > 0
          ? { value, layout }
          : {
              value: concat([narrow(value, 1, 0, 1), parameter('prompts'), narrow(value, 1, 1, 65)], 1),
              layout: { ...layout, prefix: ['class', 'prompt', 'prompt', 'prompt'] },
            },
    }),
  });

  it('may get prompts, and the pooled features still come from the class token', () => {
    const { output } = traceModel(specOf(prompted), { training: false });
    expect(output.tokens.value.shape).toEqual([4, 68, 16]);
    expect(output.blocks.map(({ value }) => value.shape[1])).toEqual([68, 68]);
    expect(output.features.id).toBe(prefixToken(output.tokens, 'class')!.id);
  });
});

describe('a weight in another form', () => {
  const products = (method: ConfiguredMethod) =>
    trained(method).program.nodes.filter(
      ({ op, shape }) => op.kind === 'matmul' && shape.length === 2 && shape[0] === 64 && shape[1] === 16,
    ).length;

  it('is applied beside the layer where that is cheaper', () => {
    expect(products(lowRank(add))).toBe(0);
  });

  it('is applied beside the layer with a factor that is made where that is cheaper: W·(I + B·A)', () => {
    const method = methodOf({
      parameters: ({ width }) => [
        { name: 'a', shape: [2, width], init: { kind: 'normal', std: 0.1 } },
        { name: 'b', shape: [width, 2], init: { kind: 'normal', std: 0.1 } },
      ],
      attach: ({ parameter }) => ({
        weight: ({ name }, weight) =>
          name === 'blocks.0.mlp.fc1'
            ? add(weight, matmul(matmul(weight, parameter('b')), parameter('a')))
            : weight,
      }),
    });
    expect(products(method)).toBe(0);
    const wide = trained(method).program.nodes.filter(
      ({ op, shape }) => op.kind === 'linear' && shape.at(-1) === 64,
    );
    // The layer itself in both blocks, and what is added to the first.
    expect(wide.map(({ inputs }) => inputs.length).sort()).toEqual([2, 2, 3]);
  });

  it('has factors inside its matrices applied beside the layer too: no gradient of a frozen matrix is made', () => {
    const scaled = methodOf({
      parameters: ({ width }) => [
        { name: 'a', shape: [2, width], init: { kind: 'normal', std: 0.1 }, constant: true },
        { name: 'b', shape: [64, 2], init: { kind: 'normal', std: 0.1 }, constant: true },
        { name: 'inner', shape: [2, 1], init: { kind: 'constant', value: 1 } },
        { name: 'outer', shape: [64, 1], init: { kind: 'constant', value: 1 } },
      ],
      attach: ({ parameter }) => ({
        weight: ({ name }, weight) => {
          if (name !== 'blocks.0.mlp.fc1') return weight;
          const [a, b, inner, outer] = ['a', 'b', 'inner', 'outer'].map(parameter);
          return add(weight, matmul(mul(b!, outer!), mul(a!, inner!)));
        },
      }),
    });
    const shapes = trained(scaled).program.nodes.flatMap(({ op, shape }) =>
      op.kind === 'matmul' ? [shape.join('×')] : [],
    );
    for (const shape of ['64×16', '2×16', '16×2', '64×2', '2×64']) expect(shapes).not.toContain(shape);
  });

  it('with its norm held constant, is made for the norm alone', () => {
    const dora = lowRank((weight, delta) => {
      const whole = add(weight, delta);
      const norm = sqrt(sum(mul(whole, whole), { axes: [1], keepDims: true }));
      return div(whole, stopGradient(norm));
    });
    expect(products(dora)).toBe(1);
  });

  it('merges by itself: what it gives is what the plain model needs', () => {
    const method = lowRank(add);
    expect(canMerge(toyVit, method)).toBe(true);
    const values = new Map<string, HostTensor>(
      modelParameters(toyVit, method, toyClassification(7)).map(({ name, shape }) => {
        const init = { kind: 'normal', std: 0.1 } as const;
        return [name, hostTensor(shape, initialValue({ name, shape, init }, 0))];
      }),
    );
    const merged = mergeMethod(toyVit, method, values)!;
    expect([...merged.keys()]).toEqual(['blocks.0.mlp.fc1.weight']);
    const [w, a, b] = ['blocks.0.mlp.fc1.weight', 'a', 'b'].map((name) => values.get(name)!.data);
    const expected = w![16 + 3]! + b![2]! * a![3]! + b![3]! * a![16 + 3]!;
    expect(merged.get('blocks.0.mlp.fc1.weight')!.data[16 + 3]).toBeCloseTo(expected, 6);
  });

  it('does not merge where the method also changes values', () => {
    expect(canMerge(toyVit, hooked({ value: ({ value }) => value }))).toBe(false);
    expect(canMerge(toyVit, methodOf({}))).toBe(false);
  });
});

describe('noise', () => {
  const noisy = methodOf({
    attach: (binding) => ({
      value({ name, kind, value }) {
        if (kind === 'attn') return dropPath(value, 0.25, binding, name);
        return kind === 'mlp.act' ? dropout(value, 0.5, binding, name) : value;
      },
    }),
  });

  it('is fed in training, by names of its own, and gone in evaluation', () => {
    const { noise, program } = trained(noisy);
    expect(noise.map(({ shape }) => shape)).toEqual([
      [4, 1, 1],
      [4, 65, 64],
      [4, 1, 1],
      [4, 65, 64],
    ]);
    const feeds = program.nodes.flatMap(({ op }) => (op.kind === 'feed' ? [op.name] : []));
    for (const { feed } of noise) expect(feeds).toContain(feed);
    const evaluation = buildEvalProgram(specOf(noisy), ['prediction']).program;
    expect(evaluation.nodes.some(({ op }) => op.kind === 'feed' && op.name.startsWith('noise/'))).toBe(false);
  });

  it('is a pure function of seed and step, with the share of ones that was asked for', () => {
    const { noise } = trained(noisy);
    const draw = (seed: number, step: number) => noiseFeeds(noise, seed, step);
    expect(draw(1, 2)).toEqual(draw(1, 2));
    expect(draw(1, 3)).not.toEqual(draw(1, 2));
    const { data, shape } = draw(1, 2)['noise/mine/dropout/blocks.0.mlp.act']!;
    const ones = Float32Array.from(data).filter((value) => value === 1).length;
    expect(Math.abs(ones / sizeOf(shape) - 0.5)).toBeLessThan(4 * Math.sqrt(0.25 / sizeOf(shape)));
  });
});

describe('updates', () => {
  it('of the backbone have no weight decay on vectors, positions and tokens', () => {
    const full = methodOf({ trainsBackbone: () => true });
    const decayed = modelParameters(toyVit, full, toyClassification(7))
      .filter(({ update }) => update?.weightDecay !== 0)
      .map(({ name }) => name);
    expect(decayed.slice(0, 2)).toEqual(['patch_embed.proj.weight', 'blocks.0.attn.qkv.weight']);
    for (const name of ['cls_token', 'pos_embed', 'norm.weight', 'blocks.1.mlp.fc2.bias'])
      expect(decayed).not.toContain(name);
  });

  it('of constants are none, and they are not counted', () => {
    const method = methodOf({
      parameters: () => [{ name: 'basis', shape: [4], init: { kind: 'normal', std: 1 }, constant: true }],
    });
    const [basis] = modelParameters(toyVit, method, toyClassification(7)).filter(
      ({ name }) => name === 'basis',
    );
    expect(basis).toMatchObject({ uncounted: true });
    expect(isTrainable(basis!, method)).toBe(false);
  });
});

it('a mistake inside a building block of core names the author’s line', () => {
  const method = methodOf({
    parameters: ({ width }) => [{ name: 'narrow', shape: [2, width + 1], init: { kind: 'zeros' } }],
    attach: ({ parameter }) => ({
      value: ({ kind, input, value }) =>
        kind === 'mlp.fc1' ? lowRankDelta(input, parameter('narrow'), parameter('narrow'), 1) : value,
    }),
  });
  expect(() => trained(method)).toThrow(
    expect.objectContaining({
      code: 'METHOD',
      message: expect.stringContaining('linear cannot apply this weight'),
      where: expect.stringContaining('method-hooks.test.ts'),
    }),
  );
});
