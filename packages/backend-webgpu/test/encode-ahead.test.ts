import definition from '@kora-bench/backend-webgpu';
import type { DeviceState, Executable } from '@kora-bench/core/backend';
import { GraphBuilder, hostTensor } from '@kora-bench/core/graph';
import { add, mul } from '@kora-bench/core/ops';
import { makeProgram } from '@kora-bench/core/passes';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { globals } from 'webgpu';
import { withAdapter } from './with-adapter.js';

const { GPUDevice, GPUQueue } = globals as {
  GPUDevice: { prototype: GPUDevice };
  GPUQueue: { prototype: GPUQueue };
};
type Opened = Awaited<ReturnType<typeof definition.create>>;

const pair = (a: number, b: number) => hostTensor([2], Float32Array.of(a, b));

/** w becomes w + x; y = w · x, z = w · v. */
function addsToState() {
  const graph = new GraphBuilder();
  const x = graph.feed('x', [2]);
  const w = graph.state('w', [2]);
  const v = graph.state('v', [2]);
  return makeProgram({ y: mul(w, x), z: mul(w, v) }, { w: add(w, x) });
}

/** Follows in JavaScript what a state of two numbers holds. */
class Followed {
  constructor(
    readonly state: DeviceState,
    public w: number,
    readonly v: number,
  ) {}

  async run(executable: Executable, x: number, fetch: readonly string[]): Promise<void> {
    const fetched = await executable.run({ feeds: { x: pair(x, 2 * x) }, state: this.state, fetch });
    const expected: Record<string, number> = { y: this.w * x, z: this.w * this.v };
    for (const name of fetch) expect(fetched[name]!.data[0], name).toBe(expected[name]);
    expect(Object.keys(fetched)).toEqual([...fetch]);
    this.w += x;
  }
}

withAdapter(() => {
  let backend: Opened;
  let executable: Executable;

  beforeEach(async () => {
    backend = await definition.create('gpu', definition.options.parse({}));
    executable = await backend.compile(addsToState(), new Map());
  });
  afterEach(async () => {
    vi.restoreAllMocks();
    await executable.dispose();
    await backend.dispose();
  });

  const follow = async (w: number, v: number) =>
    new Followed(await backend.createState({ w: pair(w, 0), v: pair(v, 0) }), w, v);

  it('gives the same results whatever run follows: other outputs, another state, one written to', async () => {
    const one = await follow(1, 3);
    const two = await follow(100, 7);
    for (const x of [1, 2, 3, 4]) await one.run(executable, x, ['y']);
    await one.run(executable, 5, ['z', 'y']);
    await one.run(executable, 6, []);
    for (const x of [1, 2, 3]) await two.run(executable, x, ['y']);
    await one.run(executable, 7, ['y']);
    await one.state.write('w', pair(50, 0));
    one.w = 50;
    for (const x of [1, 2, 3]) await one.run(executable, x, ['y']);
    const other = await backend.compile(addsToState(), new Map());
    for (const x of [1, 2, 3]) {
      await one.run(other, x, ['z']);
      await one.run(executable, x, ['y']);
    }
    await expect(executable.run({ feeds: {}, state: one.state, fetch: ['y'] })).rejects.toThrow('feed "x"');
    await one.run(executable, 1, ['y']);
    expect((await one.state.read('w')).data[0]).toBe(one.w);
    expect((await two.state.read('w')).data[0]).toBe(two.w);
    await one.state.dispose();
    for (const x of [1, 2, 3]) await two.run(executable, x, ['y']);
  });

  it('encodes nothing before it submits a run that is like those before', async () => {
    const one = await follow(1, 3);
    for (const x of [1, 2, 3]) await one.run(executable, x, ['y']);
    const encoded = vi.spyOn(GPUDevice.prototype, 'createCommandEncoder');
    const submitted = vi.spyOn(GPUQueue.prototype, 'submit');
    await one.run(executable, 4, ['y']);
    const [first] = submitted.mock.invocationCallOrder;
    expect(encoded.mock.invocationCallOrder.every((order) => order > first!)).toBe(true);
    expect(encoded).toHaveBeenCalledOnce();
  });
});
