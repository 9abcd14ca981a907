import { hostTensor } from '@kora-bench/core/graph';
import { add, linear, mul, sum } from '@kora-bench/core/ops';
import { expect } from 'vitest';
import type { ContractCheck } from './contract-check.js';
import { compile, plain, programOf, vector } from './contract-check.js';

const weighted = () =>
  programOf((builder) => {
    const y = linear(builder.feed('x', [1, 2]), builder.frozen('w', [3, 2]));
    return { outputs: { y, total: sum(y), doubled: mul(y, 2) } };
  });
const weights = new Map([['w', hostTensor([3, 2], Float32Array.of(1, 0, 0, 1, 1, 1))]]);
const x = (a: number, b: number) => hostTensor([1, 2], Float32Array.of(a, b));

/** An InputError that names the thing at fault. */
const inputError = (where: string) =>
  expect.objectContaining({ code: 'INPUT', where: expect.stringContaining(where) });

export const runChecks: readonly ContractCheck[] = [
  {
    name: 'returns exactly what is fetched',
    async check(backend) {
      const executable = await compile(backend, weighted(), weights);
      expect(plain(await executable.run({ feeds: { x: x(2, 3) }, fetch: ['total'] }))).toEqual({
        total: [10],
      });
      expect(plain(await executable.run({ feeds: { x: x(2, 3) }, fetch: ['doubled', 'y'] }))).toEqual({
        doubled: [4, 6, 10],
        y: [2, 3, 5],
      });
      expect(await executable.run({ feeds: { x: x(2, 3) } })).toEqual({});
    },
  },
  {
    name: 'gives each output its shape and dtype',
    async check(backend) {
      const executable = await compile(backend, weighted(), weights);
      const { y, total } = await executable.run({ feeds: { x: x(2, 3) }, fetch: ['y', 'total'] });
      expect(y).toMatchObject({ shape: [1, 3], dtype: 'f32' });
      expect(total).toMatchObject({ shape: [], dtype: 'f32' });
    },
  },
  {
    name: 'computes anew from the feeds of each run, leaves them and earlier results alone',
    async check(backend) {
      const executable = await compile(backend, weighted(), weights);
      const fed = x(2, 3);
      const first = await executable.run({ feeds: { x: fed }, fetch: ['y'] });
      const second = await executable.run({ feeds: { x: x(-1, 1) }, fetch: ['y'] });
      const third = await executable.run({ feeds: { x: fed }, fetch: ['y'] });
      expect(plain({ first: first.y!, second: second.y!, third: third.y! })).toEqual({
        first: [2, 3, 5],
        second: [-1, 1, 0],
        third: [2, 3, 5],
      });
      expect([...fed.data]).toEqual([2, 3]);
    },
  },
  {
    name: 'offers one value under several names',
    async check(backend) {
      const executable = await compile(
        backend,
        programOf((builder) => {
          const y = add(builder.feed('x', [2]), 1);
          return { outputs: { y, again: y } };
        }),
      );
      const fetched = await executable.run({ feeds: { x: vector(1, 2) }, fetch: ['y', 'again'] });
      expect(plain(fetched)).toEqual({ y: [2, 3], again: [2, 3] });
    },
  },
  {
    name: 'accepts numbers given in float64',
    async check(backend) {
      const executable = await compile(
        backend,
        weighted(),
        new Map([['w', hostTensor([3, 2], Float64Array.of(1, 0, 0, 1, 1, 1))]]),
      );
      const fed = hostTensor([1, 2], Float64Array.of(2, 3));
      expect(plain(await executable.run({ feeds: { x: fed }, fetch: ['y'] }))).toEqual({ y: [2, 3, 5] });
    },
  },
  {
    name: 'keeps two executables with different weights of one name apart',
    async check(backend) {
      const other = new Map([['w', hostTensor([3, 2], Float32Array.of(0, 0, 0, 0, 2, 2))]]);
      const [a, b] = [await compile(backend, weighted(), weights), await compile(backend, weighted(), other)];
      const results = {
        a: (await a.run({ feeds: { x: x(1, 1) }, fetch: ['y'] })).y!,
        b: (await b.run({ feeds: { x: x(1, 1) }, fetch: ['y'] })).y!,
      };
      expect(plain(results)).toEqual({ a: [1, 1, 2], b: [0, 0, 4] });
      await a.dispose();
      expect(plain(await b.run({ feeds: { x: x(1, 2) }, fetch: ['y'] }))).toEqual({ y: [0, 0, 6] });
    },
  },
  {
    name: 'refuses a feed that is missing, surplus, misshapen or of another dtype',
    async check(backend) {
      const executable = await compile(backend, weighted(), weights);
      const run = (feeds: Parameters<typeof executable.run>[0]['feeds']) =>
        executable.run({ feeds, fetch: ['y'] });
      await expect(run({})).rejects.toEqual(inputError('"x"'));
      await expect(run({ x: x(1, 2), z: x(1, 2) })).rejects.toEqual(inputError('"z"'));
      await expect(run({ x: vector(1, 2) })).rejects.toEqual(inputError('"x"'));
      await expect(run({ x: hostTensor([1, 2], Int32Array.of(1, 2)) })).rejects.toEqual(inputError('"x"'));
    },
  },
  {
    name: 'refuses to fetch what is no output',
    async check(backend) {
      const executable = await compile(backend, weighted(), weights);
      await expect(executable.run({ feeds: { x: x(1, 2) }, fetch: ['z'] })).rejects.toEqual(
        inputError('"z"'),
      );
    },
  },
  {
    name: 'refuses a run without a state that the program reads or updates',
    async check(backend) {
      const executable = await compile(
        backend,
        programOf((builder) => ({ updates: { a: add(builder.state('b', [1]), 1) } })),
      );
      await expect(executable.run({ feeds: {} })).rejects.toMatchObject({ code: 'INPUT' });
      const onlyA = await backend.createState({ a: vector(1) });
      await expect(executable.run({ feeds: {}, state: onlyA })).rejects.toEqual(inputError('"b"'));
      const onlyB = await backend.createState({ b: vector(1) });
      await expect(executable.run({ feeds: {}, state: onlyB })).rejects.toEqual(inputError('"a"'));
    },
  },
  {
    name: 'refuses to compile without a frozen weight or with one that does not fit',
    async check(backend) {
      await expect(compile(backend, weighted())).rejects.toEqual(inputError('"w"'));
      const misshapen = new Map([['w', hostTensor([2, 3], new Float32Array(6))]]);
      await expect(compile(backend, weighted(), misshapen)).rejects.toEqual(inputError('"w"'));
    },
  },
];
