import { GraphBuilder } from '@kora-bench/core/graph';
import { add, mul, neg } from '@kora-bench/core/ops';
import { expect } from 'vitest';
import type { ContractCheck } from './contract-check.js';
import { compile, plain, programOf, vector } from './contract-check.js';

/** a ← b, b ← a; the output is a + 10·b of the values before the step. */
const swap = () =>
  programOf((builder) => {
    const [a, b] = [builder.state('a', [2]), builder.state('b', [2])];
    return { outputs: { before: add(a, mul(b, 10)) }, updates: { a: b, b: a } };
  });

/** total ← total + x; the output is the new total. */
const accumulate = () =>
  programOf((builder) => {
    const total = add(builder.state('total', [2]), builder.feed('x', [2]));
    return { outputs: { total, negative: neg(total) }, updates: { total } };
  });

export const stateChecks: readonly ContractCheck[] = [
  {
    name: 'two states that swap do so together, after the outputs were computed',
    async check(backend) {
      const executable = await compile(backend, swap());
      const state = await backend.createState({ a: vector(1, 2), b: vector(3, 4) });
      expect(plain(await executable.run({ feeds: {}, state, fetch: ['before'] }))).toEqual({
        before: [31, 42],
      });
      expect(plain({ a: await state.read('a'), b: await state.read('b') })).toEqual({ a: [3, 4], b: [1, 2] });
      expect(plain(await executable.run({ feeds: {}, state, fetch: ['before'] }))).toEqual({
        before: [13, 24],
      });
      expect(plain({ a: await state.read('a'), b: await state.read('b') })).toEqual({ a: [1, 2], b: [3, 4] });
    },
  },
  {
    name: 'an update that reads another updated state sees its old value',
    async check(backend) {
      const chain = programOf((builder) => {
        const [a, b] = [builder.state('a', [1]), builder.state('b', [1])];
        const raised = add(a, 1);
        return { updates: { a: raised, b: mul(a, 2) }, outputs: { b } };
      });
      const executable = await compile(backend, chain);
      const state = await backend.createState({ a: vector(5), b: vector(0) });
      await executable.run({ feeds: {}, state });
      await executable.run({ feeds: {}, state });
      expect(plain({ a: await state.read('a'), b: await state.read('b') })).toEqual({ a: [7], b: [12] });
    },
  },
  {
    name: 'state lasts from run to run, whatever is fetched',
    async check(backend) {
      const executable = await compile(backend, accumulate());
      const state = await backend.createState({ total: vector(0, 0) });
      expect(await executable.run({ feeds: { x: vector(1, 2) }, state })).toEqual({});
      expect(await executable.run({ feeds: { x: vector(1, 2) }, state, fetch: [] })).toEqual({});
      const last = await executable.run({ feeds: { x: vector(1, 2) }, state, fetch: ['total'] });
      expect(plain(last)).toEqual({ total: [3, 6] });
      expect([...(await state.read('total')).data]).toEqual([3, 6]);
    },
  },
  {
    name: 'a state that a program does not update is kept, as is one that it does not know',
    async check(backend) {
      const executable = await compile(
        backend,
        programOf((builder) => {
          const [a, kept] = [builder.state('a', [1]), builder.state('kept', [1])];
          return { updates: { a: add(a, kept) } };
        }),
      );
      const state = await backend.createState({ a: vector(1), kept: vector(2), unknown: vector(3) });
      await executable.run({ feeds: {}, state });
      const values = {
        a: await state.read('a'),
        kept: await state.read('kept'),
        unknown: await state.read('unknown'),
      };
      expect(plain(values)).toEqual({ a: [3], kept: [2], unknown: [3] });
    },
  },
  {
    name: 'a run that fails leaves the state as it was and the executable usable',
    async check(backend) {
      const executable = await compile(backend, accumulate());
      const state = await backend.createState({ total: vector(1, 1) });
      await expect(executable.run({ feeds: {}, state })).rejects.toMatchObject({ code: 'INPUT' });
      await expect(executable.run({ feeds: { x: vector(1) }, state })).rejects.toMatchObject({
        code: 'INPUT',
      });
      expect([...(await state.read('total')).data]).toEqual([1, 1]);
      await executable.run({ feeds: { x: vector(1, 1) }, state });
      expect([...(await state.read('total')).data]).toEqual([2, 2]);
    },
  },
  {
    name: 'several executables share one state',
    async check(backend) {
      const training = await compile(backend, accumulate());
      const evaluation = await compile(
        backend,
        programOf((builder) => ({ outputs: { twice: mul(builder.state('total', [2]), 2) } })),
      );
      const state = await backend.createState({ total: vector(1, 2) });
      expect(plain(await evaluation.run({ feeds: {}, state, fetch: ['twice'] }))).toEqual({ twice: [2, 4] });
      await training.run({ feeds: { x: vector(1, 1) }, state });
      expect(plain(await evaluation.run({ feeds: {}, state, fetch: ['twice'] }))).toEqual({ twice: [4, 6] });
      await training.run({ feeds: { x: vector(1, 1) }, state });
      expect(plain(await evaluation.run({ feeds: {}, state, fetch: ['twice'] }))).toEqual({ twice: [6, 8] });
    },
  },
  {
    name: 'one executable serves several states',
    async check(backend) {
      const executable = await compile(backend, accumulate());
      const [first, second] = [
        await backend.createState({ total: vector(0, 0) }),
        await backend.createState({ total: vector(10, 10) }),
      ];
      await executable.run({ feeds: { x: vector(1, 2) }, state: first });
      await executable.run({ feeds: { x: vector(3, 4) }, state: second });
      await executable.run({ feeds: { x: vector(1, 2) }, state: first });
      expect([...(await first.read('total')).data]).toEqual([2, 4]);
      expect([...(await second.read('total')).data]).toEqual([13, 14]);
    },
  },
  {
    name: 'a state written from the host is used by the next run',
    async check(backend) {
      const executable = await compile(backend, accumulate());
      const state = await backend.createState({ total: vector(0, 0) });
      await executable.run({ feeds: { x: vector(1, 2) }, state });
      await state.write('total', vector(100, 200));
      await executable.run({ feeds: { x: vector(1, 2) }, state });
      expect([...(await state.read('total')).data]).toEqual([101, 202]);
    },
  },
  {
    name: 'values given to and read from a state are copies',
    async check(backend) {
      const given = vector(1, 2);
      const state = await backend.createState({ total: given });
      given.data.fill(9);
      const read = await state.read('total');
      expect([...read.data]).toEqual([1, 2]);
      read.data.fill(9);
      expect([...(await state.read('total')).data]).toEqual([1, 2]);
      const written = vector(3, 4);
      await state.write('total', written);
      written.data.fill(9);
      expect([...(await state.read('total')).data]).toEqual([3, 4]);
    },
  },
  {
    name: 'an update may be a feed, a constant or the value of an output',
    async check(backend) {
      const executable = await compile(
        backend,
        programOf((builder) => {
          const x = builder.feed('x', [2]);
          const shared = mul(x, 3);
          return { outputs: { shared }, updates: { fed: x, shared, alsoShared: shared } };
        }),
      );
      const zero = vector(0, 0);
      const state = await backend.createState({ fed: zero, shared: zero, alsoShared: zero });
      await executable.run({ feeds: { x: vector(1, 2) }, state, fetch: ['shared'] });
      const fetched = await executable.run({ feeds: { x: vector(3, 4) }, state, fetch: ['shared'] });
      expect(plain(fetched)).toEqual({ shared: [9, 12] });
      const values = {
        fed: await state.read('fed'),
        a: await state.read('shared'),
        b: await state.read('alsoShared'),
      };
      expect(plain(values)).toEqual({ fed: [3, 4], a: [9, 12], b: [9, 12] });
    },
  },
  {
    name: 'a state refuses unknown names and values that do not fit',
    async check(backend) {
      const state = await backend.createState({ total: vector(0, 0) });
      expect(state.names).toEqual(['total']);
      await expect(state.read('totals')).rejects.toMatchObject({ code: 'INPUT' });
      await expect(state.write('total', vector(1, 2, 3))).rejects.toMatchObject({ code: 'SHAPE' });
      expect([...(await state.read('total')).data]).toEqual([0, 0]);
    },
  },
  {
    name: 'an empty tensor is refused when the program is traced',
    async check() {
      const builder = new GraphBuilder();
      expect(() => builder.state('empty', [3, 0])).toThrow(expect.objectContaining({ code: 'SHAPE' }));
      expect(() => builder.feed('empty', [0])).toThrow(expect.objectContaining({ code: 'SHAPE' }));
    },
  },
];
