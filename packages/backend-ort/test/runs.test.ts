import definition from '@kora-bench/backend-ort';
import type { Backend } from '@kora-bench/core/backend';
import type { HostTensor, Tensor } from '@kora-bench/core/graph';
import { GraphBuilder, hostTensor } from '@kora-bench/core/graph';
import { add, linear, matmul, mul, sub, sum } from '@kora-bench/core/ops';
import { makeProgram } from '@kora-bench/core/passes';
import { afterAll, beforeAll, expect, it } from 'vitest';

let backend: Backend;
beforeAll(async () => {
  backend = await definition.create('cpu', definition.options.parse({ threads: 2 }));
});
afterAll(() => backend.dispose());

const vector = (...values: number[]): HostTensor => hostTensor([values.length], Float32Array.from(values));

/** w ← w − 0.1·x, and how far w is from 0. */
async function descent() {
  const builder = new GraphBuilder();
  const w = builder.state('w', [2]);
  const next = sub(w, mul(builder.feed('x', [2]), 0.1));
  return backend.compile(makeProgram({ size: sum(mul(w, w)) }, { w: next }), new Map());
}

it('leaves the state as it was when a run is refused, and goes on afterwards', async () => {
  const executable = await descent();
  const state = await backend.createState({ w: vector(1, 2) });
  await executable.run({ feeds: { x: vector(10, 0) }, state });
  const bad = executable.run({ feeds: { x: vector(1, 2, 3) }, state });
  await expect(bad).rejects.toMatchObject({ code: 'INPUT' });
  expect([...(await state.read('w')).data]).toEqual([0, 2]);
  await executable.run({ feeds: { x: vector(0, 10) }, state });
  expect([...(await state.read('w')).data]).toEqual([0, 1]);
});

it('refuses a state of another shape and a state of another backend', async () => {
  const executable = await descent();
  const wide = await backend.createState({ w: vector(1, 2, 3) });
  await expect(executable.run({ feeds: { x: vector(1, 1) }, state: wide })).rejects.toMatchObject({
    code: 'INPUT',
    where: 'state "w"',
  });
  const foreign = {
    names: ['w'],
    read: async () => vector(1, 2),
    write: async () => undefined,
    dispose: async () => undefined,
  };
  await expect(executable.run({ feeds: { x: vector(1, 1) }, state: foreign })).rejects.toMatchObject({
    code: 'INPUT',
  });
});

it('queues runs that are started together', async () => {
  const executable = await descent();
  const state = await backend.createState({ w: vector(0, 0) });
  const runs = Array.from({ length: 5 }, () =>
    executable.run({ feeds: { x: vector(-10, 0) }, state, fetch: ['size'] }),
  );
  const sizes = (await Promise.all(runs)).map(({ size }) => size!.data[0]);
  expect(sizes).toEqual([0, 1, 4, 9, 16]);
  expect([...(await state.read('w')).data]).toEqual([5, 0]);
});

it('refuses to run what was disposed of', async () => {
  const executable = await descent();
  await executable.dispose();
  await executable.dispose();
  const state = await backend.createState({ w: vector(1, 2) });
  await expect(executable.run({ feeds: { x: vector(1, 1) }, state })).rejects.toMatchObject({
    code: 'BACKEND',
    fix: expect.stringContaining('Compile'),
  });
});

it('gives one value under all its names, and an input as it came', async () => {
  const builder = new GraphBuilder();
  const [x, w] = [builder.feed('x', [2]), builder.state('w', [2])];
  const y = add(x, w);
  const executable = await backend.compile(makeProgram({ y, same: y, x, w }, { w: y }), new Map());
  const state = await backend.createState({ w: vector(1, 2) });
  const fetch = ['y', 'same', 'x', 'w'];
  const results = await executable.run({ feeds: { x: vector(10, 20) }, state, fetch });
  expect(fetch.map((name) => [...results[name]!.data])).toEqual([
    [11, 22],
    [11, 22],
    [10, 20],
    [1, 2],
  ]);
  expect([...(await state.read('w')).data]).toEqual([11, 22]);
});

it('gives the same bits when it runs twice', async () => {
  const size = 96;
  const numbers = (rows: number, seed: number) =>
    hostTensor(
      [rows, size],
      Float32Array.from({ length: rows * size }, (_, i) => Math.sin(seed + i * 1.7)),
    );
  const builder = new GraphBuilder();
  const x = builder.feed('x', [64, size]);
  const w = builder.frozen('w', [size, size]);
  let y: Tensor = x;
  for (let layer = 0; layer < 4; layer++) y = add(linear(y, w), x);
  const program = makeProgram({ gram: matmul(y, y, { transposeB: true }) });
  const executable = await backend.compile(program, new Map([['w', numbers(size, 2)]]));
  const run = async () =>
    (await executable.run({ feeds: { x: numbers(64, 1) }, fetch: ['gram'] })).gram!.data;
  expect(await run()).toEqual(await run());
});

it('keeps frozen weights inside the session: later changes of the host copy do not matter', async () => {
  const builder = new GraphBuilder();
  const weight = vector(1, 2);
  const program = makeProgram({ y: add(builder.feed('x', [2]), builder.frozen('w', [2])) });
  const executable = await backend.compile(program, new Map([['w', weight]]));
  weight.data.fill(100);
  const { y } = await executable.run({ feeds: { x: vector(0, 0) }, fetch: ['y'] });
  expect([...y!.data]).toEqual([1, 2]);
});
