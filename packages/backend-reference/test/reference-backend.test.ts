import referenceBackend from '@kora-bench/backend-reference';
import type { Backend, DeviceState } from '@kora-bench/core/backend';
import { GraphBuilder, hostTensor } from '@kora-bench/core/graph';
import { add, constant, exp, gelu, layerNorm, mul, softmax, sub, sum } from '@kora-bench/core/ops';
import { makeProgram } from '@kora-bench/core/passes';
import { randomStream } from '@kora-bench/core/random';
import { describe, expect, it } from 'vitest';

// What every backend promises is tested by @kora-bench/conformance; here stands what only the oracle does.
const create = (lower = false): Promise<Backend> => referenceBackend.create('cpu', { lower });
const scalar = (value: number) => hostTensor([], Float64Array.of(value));

describe('the reference backend', () => {
  it('computes, keeps state and returns in float64', async () => {
    const builder = new GraphBuilder();
    const [x, s] = [builder.feed('x', []), builder.state('s', [])];
    const program = makeProgram({ rest: sub(add(1, x), 1) }, { s: add(s, x) });
    const backend = await create();
    const executable = await backend.compile(program, new Map());
    const state = await backend.createState({ s: scalar(1) });
    const { rest } = await executable.run({ feeds: { x: scalar(2 ** -40) }, state, fetch: ['rest'] });
    expect(rest!.data).toEqual(Float64Array.of(2 ** -40));
    expect((await state.read('s')).data).toEqual(Float64Array.of(1 + 2 ** -40));
  });

  it('returns integers and masks in their own storage', async () => {
    const builder = new GraphBuilder();
    const labels = builder.feed('labels', [2], 'i32');
    const mask = builder.emit({ kind: 'compare', fn: 'less' }, [labels, constant(builder, Int32Array.of(1))]);
    const executable = await (await create()).compile(makeProgram({ labels, mask }), new Map());
    const feeds = { labels: hostTensor([2], Int32Array.of(0, 7)) };
    const fetched = await executable.run({ feeds, fetch: ['labels', 'mask'] });
    expect(fetched.labels!.data).toEqual(Int32Array.of(0, 7));
    expect(fetched.mask!.data).toEqual(Uint8Array.of(1, 0));
  });

  it('repeats bit for bit', async () => {
    const builder = new GraphBuilder();
    const x = builder.feed('x', [7, 33]);
    const y = sum(mul(softmax(gelu(x)), exp(x)));
    const random = randomStream(0, 'repeat');
    const feeds = {
      x: hostTensor(
        [7, 33],
        Float64Array.from({ length: 7 * 33 }, () => random.normal()),
      ),
    };
    const values: number[] = [];
    for (let i = 0; i < 2; i++) {
      const executable = await (await create()).compile(makeProgram({ y }), new Map());
      values.push((await executable.run({ feeds, fetch: ['y'] })).y!.data[0]!);
    }
    expect(values[0]).toBe(values[1]);
  });

  it('evaluates composites by their definitions, or lowers all on request, with equal results', async () => {
    const [direct, lowered] = [await create(), await create(true)];
    const builder = new GraphBuilder();
    const x = builder.feed('x', [1, 4]);
    const program = makeProgram({
      y: layerNorm(x, builder.frozen('g', [4]), builder.frozen('b', [4]), 1e-6),
    });
    const weights = new Map([
      ['g', hostTensor([4], Float64Array.of(1, 2, 3, 4))],
      ['b', hostTensor([4], Float64Array.of(0, 1, 0, 1))],
    ]);
    const feeds = { x: hostTensor([1, 4], Float64Array.of(1, 2, 4, 8)) };
    const [a, b] = await Promise.all(
      [direct, lowered].map(async (backend) => {
        const executable = await backend.compile(program, weights);
        return [...(await executable.run({ feeds, fetch: ['y'] })).y!.data];
      }),
    );
    a!.forEach((value, i) => {
      expect(value).toBeCloseTo(b![i]!, 13);
    });
  });

  it('does not let callers reach into weights, constants or state through results', async () => {
    const builder = new GraphBuilder();
    const outputs = {
      w: builder.frozen('w', [1]),
      c: constant(builder, Float64Array.of(2)),
      s: builder.state('s', [1]),
    };
    const backend = await create();
    const executable = await backend.compile(
      makeProgram(outputs),
      new Map([['w', hostTensor([1], Float64Array.of(1))]]),
    );
    const state = await backend.createState({ s: hostTensor([1], Float64Array.of(3)) });
    for (let i = 0; i < 2; i++) {
      const fetched = await executable.run({ feeds: {}, state, fetch: ['w', 'c', 's'] });
      expect(Object.values(fetched).map(({ data }) => data[0])).toEqual([1, 2, 3]);
      for (const { data } of Object.values(fetched)) data.fill(99);
    }
  });

  it('refuses a state that does not fit the program and leaves it alone', async () => {
    const builder = new GraphBuilder();
    const program = makeProgram({}, { s: mul(builder.state('s', [2]), 2) });
    const backend = await create();
    const executable = await backend.compile(program, new Map());
    const state = await backend.createState({ s: hostTensor([3], Float64Array.of(1, 2, 3)) });
    await expect(executable.run({ feeds: {}, state })).rejects.toMatchObject({
      code: 'INPUT',
      expected: '[2]',
      received: '[3]',
      where: 'state "s"',
    });
    expect([...(await state.read('s')).data]).toEqual([1, 2, 3]);
  });

  it('refuses a state of another backend', async () => {
    const builder = new GraphBuilder();
    const executable = await (await create()).compile(
      makeProgram({}, { s: add(builder.state('s', []), 1) }),
      new Map(),
    );
    const foreign: DeviceState = {
      names: ['s'],
      read: async () => scalar(0),
      write: async () => {},
      dispose: async () => {},
    };
    await expect(executable.run({ feeds: {}, state: foreign })).rejects.toMatchObject({
      code: 'INPUT',
      where: 'state',
    });
  });

  it('refuses to run what was disposed', async () => {
    const builder = new GraphBuilder();
    const executable = await (await create()).compile(makeProgram({ x: builder.feed('x', []) }), new Map());
    await executable.dispose();
    await expect(executable.run({ feeds: { x: scalar(1) } })).rejects.toMatchObject({ code: 'BACKEND' });
  });
});
