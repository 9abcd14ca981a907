import type { Program, Tensor } from '@kora-bench/core/graph';
import { GraphBuilder } from '@kora-bench/core/graph';
import {
  add,
  broadcastTo,
  concat,
  gelu,
  greater,
  linear,
  matmul,
  max,
  mul,
  narrow,
  reshape,
  sum,
  tanh,
  transpose,
  where,
} from '@kora-bench/core/ops';
import { makeProgram, stackParallel } from '@kora-bench/core/passes';
import { randomStream } from '@kora-bench/core/random';
import { layoutParameters } from '@kora-bench/core/training';
import { describe, expect, it } from 'vitest';
import { evaluate } from './evaluate.js';

function count({ nodes }: Program, kind: string): number {
  return nodes.filter(({ op }) => op.kind === kind).length;
}

const members = Array.from({ length: 7 }, (_, i) => i);

/** One value from all members' results, which must all be of one shape. */
function joined(results: readonly Tensor[]): Program {
  return makeProgram({
    y: tanh(
      concat(
        results.map((result) => reshape(result, [-1])),
        0,
      ),
    ),
  });
}

function expectSame(program: Program): Program {
  const stacked = stackParallel(program);
  const expected = evaluate(program);
  const actual = evaluate(stacked);
  expect(actual).toHaveLength(expected.length);
  for (const [i, value] of expected.entries()) expect(actual[i]).toBeCloseTo(value, 12);
  return stacked;
}

describe('stackParallel', () => {
  const chains: [name: string, kind: string, member: (x: Tensor, w: Tensor, shared: Tensor) => Tensor][] = [
    ['products', 'matmul', (x, w) => gelu(tanh(matmul(x, w)))],
    [
      'products with exchanged axes',
      'matmul',
      (x, w) => tanh(matmul(w, x, { transposeA: true, transposeB: true })),
    ],
    ['products with a common operand', 'matmul', (x, _, shared) => gelu(tanh(matmul(x, shared)))],
    ['linear maps', 'linear', (x, w) => tanh(linear(gelu(x), transpose(w, [1, 0]), sum(w, { axes: [0] })))],
    ['operands that broadcast', 'binary', (x, w) => tanh(mul(gelu(x), sum(w, { axes: [1] })))],
    ['reductions', 'reduce', (x) => gelu(tanh(sum(x, { axes: [1] })))],
    ['transposes', 'transpose', (x) => gelu(tanh(transpose(x, [1, 0])))],
    ['repetitions', 'broadcast', (x) => gelu(tanh(broadcastTo(sum(x, { axes: [0] }), [2, 3, 4])))],
    ['choices', 'where', (x, _, shared) => tanh(where(greater(x, 0.1), gelu(x), sum(shared)))],
    ['numbers', 'unary', (x) => tanh(gelu(sum(x)))],
  ];
  it.each(chains)('makes one of %s', (_name, kind, member) => {
    const builder = new GraphBuilder();
    const shared = builder.feed('shared', [4, 5]);
    const program = joined(
      members.map((i) => member(builder.feed(`x${i}`, [3, 4]), builder.feed(`w${i}`, [4, 5]), shared)),
    );
    const stacked = expectSame(program);
    expect(count(program, kind)).toBeGreaterThanOrEqual(members.length);
    expect(count(stacked, kind)).toBeLessThan(members.length);
    expect(stacked.nodes.length).toBeLessThan(program.nodes.length);
  });

  it('orders a stack as it is read, not as it was computed', () => {
    const builder = new GraphBuilder();
    const results = [...members].reverse().map((i) => tanh(gelu(builder.feed(`x${i}`, [3, 4]))));
    const stacked = expectSame(joined(results.reverse()));
    expect(count(stacked, 'gelu')).toBe(1);
    expect(count(stacked, 'slice')).toBe(0);
  });

  it('keeps links of a chain apart and stacks what stands beside it', () => {
    const builder = new GraphBuilder();
    let link = builder.feed('start', [2, 4]);
    for (const i of members) {
      const beside = tanh(matmul(gelu(builder.feed(`x${i}`, [2, 3])), builder.feed(`w${i}`, [3, 4])));
      link = gelu(add(matmul(link, builder.feed(`phi${i}`, [4, 4])), beside));
    }
    const stacked = expectSame(makeProgram({ y: link }));
    expect(count(stacked, 'matmul')).toBe(members.length + 1);
    expect(count(stacked, 'gelu')).toBe(members.length + 1);
    expect(count(stacked, 'unary')).toBe(1);
  });

  it('reads parameters that lie side by side in one piece', () => {
    const builder = new GraphBuilder();
    const layout = layoutParameters(
      members.flatMap((i) => [
        { name: `blocks.${i}.a`, shape: [4, 3] },
        { name: `blocks.${i}.b`, shape: [5] },
      ]),
    );
    const flat = builder.state('parameters', [layout.length]);
    const value = (name: string) => {
      const { offset, size, shape } = layout.entries.find((entry) => entry.name === name)!;
      return reshape(narrow(flat, 0, offset, offset + size), shape);
    };
    const program = joined(
      members.map((i) =>
        add(matmul(builder.feed(`x${i}`, [2, 4]), value(`blocks.${i}.a`)), sum(value(`blocks.${i}.b`))),
      ),
    );
    const stacked = expectSame(program);
    expect(
      stacked.nodes.filter(({ op, inputs }) => op.kind === 'slice' && inputs[0] === 0).length,
    ).toBeLessThanOrEqual(2);
    expect(count(stacked, 'matmul')).toBe(1);
  });

  it('leaves alone what is too large, too few, or would cost more to join than it saves', () => {
    const builder = new GraphBuilder();
    const wide = members.map((i) => max(tanh(builder.feed(`wide${i}`, [300, 300])), { axes: [0] }));
    const few = [0, 1].map((i) => gelu(tanh(builder.feed(`few${i}`, [3]))));
    const lonely = members
      .slice(0, 4)
      .map((i) => mul(builder.feed(`p${i}`, [2]), builder.feed(`q${i}`, [2])));
    const program = joined([...wide, ...few, ...lonely]);
    expect(stackParallel(program)).toBe(program);
  });

  it.each([1, 2, 3, 4, 5, 6])('keeps the values of any graph (seed %i)', (seed) => {
    const random = randomStream(seed, 'stack-parallel');
    const builder = new GraphBuilder();
    const values = members.map((i) => builder.feed(`x${i}`, [2, 2]));
    const any = () => values[Math.floor(random.uniform() * values.length)]!;
    const ops = [
      () => tanh(any()),
      () => add(any(), any()),
      () => matmul(any(), any(), { transposeB: true }),
      () => mul(any(), sum(any())),
      () => tanh(transpose(any(), [1, 0])),
    ];
    for (let i = 0; i < 150; i++) values.push(tanh(ops[Math.floor(random.uniform() * ops.length)]!()));
    const program = joined(values);
    const stacked = expectSame(program);
    expect(count(stacked, 'unary')).toBeLessThan(count(program, 'unary'));
  });
});
