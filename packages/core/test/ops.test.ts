import type { HostTensor, Shape, Tensor } from '@kora-bench/core/graph';
import { GraphBuilder, hostTensor, sizeOf } from '@kora-bench/core/graph';
import {
  crossEntropy,
  definitionOf,
  erf,
  gelu,
  layerNorm,
  linear,
  matmul,
  max,
  mean,
  oneHot,
  pad,
  pow,
  scaledDotProductAttention,
  softmax,
  transpose,
} from '@kora-bench/core/ops';
import { makeProgram, nodeCost, programCost } from '@kora-bench/core/passes';
import { describe, expect, it } from 'vitest';

/** The reference evaluation of the one op that `build` makes of the given values. */
function evaluate(build: (...inputs: Tensor[]) => Tensor, ...values: HostTensor[]): number[] {
  const builder = new GraphBuilder();
  const inputs = values.map(({ shape, dtype }, i) => builder.feed(`x${i}`, shape, dtype));
  const made = build(...inputs);
  const node = builder.node(made.id);
  const known = new Map<number, HostTensor>(inputs.map(({ id }, i) => [id, values[i]!]));
  for (const { id, op, inputs: ids, shape, dtype } of builder.nodes.slice(inputs.length)) {
    known.set(
      id,
      definitionOf(op).evaluate(
        op,
        ids.map((input) => known.get(input)!),
        { shape, dtype },
      ),
    );
  }
  const result = known.get(node.id)!;
  expect(result.data.length).toBe(sizeOf(node.shape));
  return [...result.data];
}

const real = (shape: Shape, ...values: number[]) => hostTensor(shape, Float64Array.from(values));
const whole = (...values: number[]) => hostTensor([values.length], Int32Array.from(values));

function expectClose(actual: readonly number[], expected: readonly number[], digits = 14): void {
  expect(actual.length).toBe(expected.length);
  actual.forEach((value, i) => {
    expect(value).toBeCloseTo(expected[i]!, digits);
  });
}

// The oracle itself is held against published or hand-computed values; everything else is held against it.
describe('reference evaluation', () => {
  it('erf agrees with Abramowitz & Stegun table 7.1 on both branches and is odd', () => {
    const x = [0, 0.1, 0.5, 1, 1.5, 2];
    const published = [
      0, 0.1124629160182849, 0.5204998778130465, 0.8427007929497149, 0.966105146475311, 0.9953222650189527,
    ];
    expectClose(evaluate(erf, real([6], ...x)), published);
    expectClose(
      evaluate(erf, real([6], ...x.map((value) => -value))),
      published.map((value) => -value),
    );
  });

  it('erf agrees with 1 − erfc in the tail and is continuous where its formula changes', () => {
    // erfc(3) and erfc(4): Abramowitz & Stegun, example values of 7.1; Python's math.erfc.
    expectClose(evaluate(erf, real([2], 3, 4)), [1 - 2.209049699858544e-5, 1 - 1.541725790028002e-8], 15);
    const [below, above] = evaluate(erf, real([2], 2.5 - 1e-12, 2.5));
    expect(above! - below!).toBeLessThan(1e-14);
    expect(evaluate(erf, real([3], 7, -7, Infinity))).toEqual([1, -1, 1]);
  });

  it('gelu is x·Φ(x)', () => {
    expectClose(evaluate(gelu, real([3], 1, -1, 0)), [0.8413447460685429, -0.15865525393145707, 0]);
  });

  it('softmax of 1, 2, 3 and of arguments too large for exp', () => {
    const expected = [0.09003057317038046, 0.24472847105479764, 0.6652409557748218];
    expectClose(evaluate(softmax, real([2, 3], 1, 2, 3, 1001, 1002, 1003)), [...expected, ...expected]);
  });

  it('layerNorm divides by the deviation without Bessel’s correction', () => {
    const unit = 1 / Math.sqrt(1.25);
    const actual = evaluate(
      (x, g, b) => layerNorm(x, g, b, 0),
      real([1, 4], 1, 2, 3, 4),
      real([4], 1, 1, 2, 1),
      real([4], 0, 0, 0, 5),
    );
    expectClose(actual, [-1.5 * unit, -0.5 * unit, 2 * 0.5 * unit, 1.5 * unit + 5]);
  });

  it('crossEntropy is −log p, and smoothing moves s/C of the target to every class', () => {
    const logits = real([2, 2], 0, Math.log(3), 0, Math.log(3));
    expectClose(
      evaluate((x, y) => crossEntropy(x, y), logits, whole(1, 0)),
      [-Math.log(0.75), -Math.log(0.25)],
    );
    const smoothed = -(0.95 * Math.log(0.75) + 0.05 * Math.log(0.25));
    expectClose(
      evaluate((x, y) => crossEntropy(x, y, 0.1), logits, whole(1, 1)),
      [smoothed, smoothed],
    );
  });

  it('linear is x·Wᵀ + b', () => {
    const [x, w, b] = [real([2, 2], 1, 2, 3, 4), real([3, 2], 1, 0, 0, 1, 1, 1), real([3], 10, 20, 30)];
    expect(evaluate(linear, x, w, b)).toEqual([11, 22, 33, 13, 24, 37]);
  });

  it('matmul means the same with and without transpose flags', () => {
    const [a, b] = [real([2, 3], 1, 2, 3, 4, 5, 6), real([3, 2], 7, 8, 9, 10, 11, 12)];
    const expected = [58, 64, 139, 154];
    expect(evaluate((x, y) => matmul(x, y), a, b)).toEqual(expected);
    for (const [transposeA, transposeB] of [
      [true, false],
      [false, true],
      [true, true],
    ] as const) {
      const product = evaluate(
        (x, y) =>
          matmul(transposeA ? transpose(x) : x, transposeB ? transpose(y) : y, { transposeA, transposeB }),
        a,
        b,
      );
      expect(product).toEqual(expected);
    }
  });

  it('matmul broadcasts batch axes', () => {
    const [a, b] = [real([2, 1, 1, 2], 1, 2, 3, 4), real([2, 2, 1], 1, 1, 10, 100)];
    expect(evaluate((x, y) => matmul(x, y), a, b)).toEqual([3, 210, 7, 430]);
  });

  it('attention with one key returns its value, with equal keys the mean', () => {
    const attend = (q: Tensor, k: Tensor, v: Tensor) => scaledDotProductAttention(q, k, v, 0.5);
    expect(evaluate(attend, real([2, 1], 3, -4), real([1, 1], 7), real([1, 2], 5, 6))).toEqual([5, 6, 5, 6]);
    expect(evaluate(attend, real([1, 1], 3), real([2, 1], 7, 7), real([2, 1], 1, 2))).toEqual([1.5]);
  });

  it('attention is the softmax of the scaled scores times the values', () => {
    const p = 1 / (1 + Math.exp(-0.5 * 2));
    const actual = evaluate(
      (q, k, v) => scaledDotProductAttention(q, k, v, 0.5),
      real([1, 1], 1),
      real([2, 1], 2, 0),
      real([2, 1], 10, 0),
    );
    expectClose(actual, [10 * p], 13);
  });

  it('the statistics of attention are the same through their lowering, for scores that overflow too', () => {
    const [q, k] = [real([2, 2], 1, -2, 30, 40), real([3, 2], 0.5, 2, -1, 0.25, 30, 40)];
    const op = { kind: 'attentionStatistics', scale: 0.5 } as const;
    const statistics = (...inputs: Tensor[]) => inputs[0]!.builder.emit(op, inputs);
    const lowered = (...inputs: Tensor[]) => definitionOf(op).lower!(op, inputs);
    const scores = [0.25 - 2, -0.5 - 0.25, 15 - 40];
    const small = Math.log(scores.reduce((total, score) => total + Math.exp(score), 0));
    expectClose(evaluate(statistics, q, k), [small, 1250], 12);
    expectClose(evaluate(lowered, q, k), [small, 1250], 12);
  });

  it('reductions reduce the axes named', () => {
    const x = real([2, 3], 1, 5, 3, -4, -2, -6);
    expect(evaluate((t) => mean(t, { axes: [0] }), x)).toEqual([-1.5, 1.5, -1.5]);
    expect(evaluate((t) => max(t, { axes: [-1] }), x)).toEqual([5, -2]);
  });

  it('pad, transpose and oneHot put elements where NumPy would', () => {
    expect(evaluate((x) => pad(x, [0, 1], [1, 0]), real([1, 2], 1, 2))).toEqual([0, 1, 2, 0, 0, 0]);
    expect(evaluate((x) => transpose(x, [2, 0, 1]), real([1, 2, 3], 1, 2, 3, 4, 5, 6))).toEqual([
      1, 4, 2, 5, 3, 6,
    ]);
    expect(evaluate((x) => oneHot(x, 3), whole(2, 0, 3))).toEqual([0, 0, 1, 1, 0, 0, 0, 0, 0]);
  });

  it('pow of a negative base takes whole exponents', () => {
    expect(evaluate((x) => pow(x, 3), real([2], -2, 2))).toEqual([-8, 8]);
  });
});

describe('the cost model', () => {
  it('counts a multiply-add as two', () => {
    const builder = new GraphBuilder();
    const y = matmul(builder.feed('a', [5, 7, 3]), builder.frozen('b', [3, 4]));
    expect(programCost(makeProgram({ y })).flops).toBe(2 * 5 * 7 * 3 * 4);
    const z = linear(builder.feed('a', [5, 7, 3]), builder.frozen('w', [4, 3]), builder.frozen('c', [4]));
    expect(nodeCost(builder, builder.node(z.id))).toEqual({
      flops: 5 * 7 * 4 * (2 * 3 + 1),
      bytes: 4 * (105 + 12 + 4 + 140),
    });
  });
});
