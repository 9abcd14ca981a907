import type { EagerEngine } from '@kora-bench/core/backend';
import { EagerExecutable, EagerState, RunQueue } from '@kora-bench/core/backend';
import { BackendError } from '@kora-bench/core/errors';
import type { HostTensor, Program, Weights } from '@kora-bench/core/graph';
import { GraphBuilder, hostTensor } from '@kora-bench/core/graph';
import { add, definitionOf, exp, mul, neg, reshape, sum } from '@kora-bench/core/ops';
import { makeProgram } from '@kora-bench/core/passes';
import { describe, expect, it } from 'vitest';

interface Handle {
  readonly value: HostTensor;
  /** What it shares its elements with. */
  readonly base?: Handle;
  released: boolean;
}

/** An engine that watches how its handles are used. Views share storage, and do not keep it alive. */
class WatchedEngine implements EagerEngine<Handle> {
  readonly computed: string[] = [];
  live = 0;
  mostLive = 0;
  uploads = 0;
  /** The op whose kernel fails when it runs. */
  failing = '';
  /** The op that there is no kernel for. */
  missing = '';

  upload(value: HostTensor): Handle {
    this.uploads++;
    return this.#made({ value: { ...value, data: Float64Array.from(value.data) } });
  }

  download({ value, released }: Handle): HostTensor {
    expect(released).toBe(false);
    return value;
  }

  kernel: EagerEngine<Handle>['kernel'] = (node) => {
    if (node.op.kind === this.missing) throw new BackendError(`cannot compute ${node.op.kind}`);
    return (operands) => {
      for (const operand of operands) this.#requireAlive(operand);
      const name = node.op.kind === 'unary' ? node.op.fn : node.op.kind;
      if (name === this.failing) throw new BackendError('the engine failed');
      this.computed.push(name);
      const inputs = operands.map((operand) => operand.value);
      const value = definitionOf(node.op).evaluate(node.op, inputs, node);
      return this.#made(node.op.kind === 'reshape' ? { value, base: operands[0]! } : { value });
    };
  };

  share(handle: Handle): Handle {
    this.#requireAlive(handle);
    return this.#made({ value: handle.value });
  }

  release(handle: Handle): void {
    this.#requireAlive(handle);
    handle.released = true;
    this.live--;
  }

  #requireAlive(handle: Handle): void {
    expect(handle.released).toBe(false);
    if (handle.base !== undefined) this.#requireAlive(handle.base);
  }

  #made(handle: Omit<Handle, 'released'>): Handle {
    this.live++;
    this.mostLive = Math.max(this.mostLive, this.live);
    return { ...handle, released: false };
  }
}

function open(program: Program, weights: Weights = new Map(), engine = new WatchedEngine()) {
  const queue = new RunQueue();
  const executable = new EagerExecutable({ engine, queue, given: program, prepared: program, weights });
  const state = (values: Record<string, HostTensor>) => new EagerState(engine, queue, values);
  return { engine, executable, state };
}

const vector = (...values: number[]) => hostTensor([values.length], Float64Array.from(values));

describe('a program on an eager engine', () => {
  it('computes only what is asked for, in order, and releases each value after its last use', async () => {
    const builder = new GraphBuilder();
    const x = builder.feed('x', [2]);
    let y = x;
    for (let i = 0; i < 10; i++) y = neg(exp(neg(y)));
    const { engine, executable } = open(makeProgram({ y, unused: mul(y, 2) }));
    const before = engine.live;
    await executable.run({ feeds: { x: vector(1, 2) }, fetch: ['y'] });
    expect(engine.computed).not.toContain('binary');
    expect(engine.computed.slice(0, 3)).toEqual(['neg', 'exp', 'neg']);
    expect(engine.live).toBe(before);
    expect(engine.mostLive - before).toBe(2);
  });

  it('keeps a value as long as its views are read, and releases views first', async () => {
    const builder = new GraphBuilder();
    const base = exp(builder.feed('x', [4]));
    const view = reshape(reshape(base, [2, 2]), [4, 1]);
    const { engine, executable } = open(makeProgram({ sum: sum(neg(view)), view }));
    const { sum: total, view: fetched } = await executable.run({
      feeds: { x: vector(0, 0, 0, 0) },
      fetch: ['sum', 'view'],
    });
    expect([total!.data[0], ...fetched!.data]).toEqual([-4, 1, 1, 1, 1]);
    expect(engine.live).toBe(0);
  });

  it('uploads weights once, computes what depends on them alone once, and frees them when disposed of', async () => {
    const builder = new GraphBuilder();
    const [w, x] = [builder.frozen('w', [2]), builder.feed('x', [2])];
    const { engine, executable } = open(
      makeProgram({ y: add(exp(neg(w)), x) }),
      new Map([['w', vector(0, 0)]]),
    );
    expect(engine.live).toBe(1);
    for (let i = 0; i < 3; i++) await executable.run({ feeds: { x: vector(1, 2) }, fetch: ['y'] });
    expect(engine.computed.filter((name) => name === 'exp')).toHaveLength(1);
    expect(engine.uploads).toBe(1 + 3);
    await executable.dispose();
    expect(engine.live).toBe(0);
  });

  it('hands out sources, values twice and states swapped without mixing up who releases what', async () => {
    const builder = new GraphBuilder();
    const [x, a, b] = [builder.feed('x', [1]), builder.state('a', [1]), builder.state('b', [1])];
    const y = neg(x);
    const program = makeProgram({ x, y, again: y, a }, { a: b, b: a, c: y, d: x });
    const { engine, executable, state } = open(program);
    const held = state({ a: vector(1), b: vector(2), c: vector(0), d: vector(0) });
    for (let i = 0; i < 3; i++)
      await executable.run({ feeds: { x: vector(5) }, state: held, fetch: ['x', 'y', 'again', 'a'] });
    const values = await Promise.all(held.names.map(async (name) => (await held.read(name)).data[0]));
    expect(values).toEqual([2, 1, -5, 5]);
    expect(engine.live).toBe(4);
    await held.dispose();
    expect(engine.live).toBe(0);
  });

  it('releases everything and leaves the state alone where a kernel fails', async () => {
    const builder = new GraphBuilder();
    const s = builder.state('s', [2]);
    const program = makeProgram({}, { s: exp(add(neg(s), builder.feed('x', [2]))) });
    const { engine, executable, state } = open(program);
    const held = state({ s: vector(1, 2) });
    engine.failing = 'exp';
    const run = executable.run({ feeds: { x: vector(0, 0) }, state: held });
    await expect(run).rejects.toMatchObject({ code: 'BACKEND' });
    expect(engine.live).toBe(1);
    expect([...(await held.read('s')).data]).toEqual([1, 2]);
  });

  it('is refused when it is compiled where the engine lacks a kernel', () => {
    const engine = new WatchedEngine();
    engine.missing = 'reduce';
    const builder = new GraphBuilder();
    const program = makeProgram({ y: sum(builder.feed('x', [2])) });
    expect(() => open(program, new Map(), engine)).toThrow(/cannot compute reduce/);
  });

  it('refuses the state of another engine', async () => {
    const builder = new GraphBuilder();
    const program = makeProgram({}, { s: neg(builder.state('s', [1])) });
    const [one, other] = [open(program), open(program)];
    const run = one.executable.run({ feeds: {}, state: other.state({ s: vector(1) }) });
    await expect(run).rejects.toMatchObject({ code: 'INPUT', where: 'state' });
  });
});
