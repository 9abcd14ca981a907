import { gradients } from '@kora-bench/core/autodiff';
import type { HostTensor, Tensor } from '@kora-bench/core/graph';
import { GraphBuilder, hostTensor } from '@kora-bench/core/graph';
import { definitionOf, sum } from '@kora-bench/core/ops';
import type { BasisOptions } from '@kora-bench/core/peft';
import { basisDelta, basisFaults, basisFunctions, basisSize, completeBasis } from '@kora-bench/core/peft';
import { describe, expect, it, test } from 'vitest';

const column = (...values: number[]) => hostTensor([values.length, 1], Float64Array.from(values));

/** Values of what `build` makes of the given feeds, by the ops' float64 definitions. */
function evaluate(
  build: (feed: (name: string) => Tensor) => readonly Tensor[],
  feeds: Readonly<Record<string, HostTensor>>,
): number[][] {
  const builder = new GraphBuilder();
  const outputs = build((name) => builder.feed(name, feeds[name]!.shape));
  const known: HostTensor[] = [];
  for (const { op, inputs, shape, dtype } of builder.nodes) {
    known.push(
      op.kind === 'feed'
        ? feeds[op.name]!
        : definitionOf(op).evaluate(
            op,
            inputs.map((id) => known[id]!),
            { shape, dtype },
          ),
    );
  }
  return outputs.map(({ id }) => [...known[id]!.data]);
}

/** ψ_1 … ψ_M at points of the grid, `[points][M]`. */
function functionsAt(given: BasisOptions, points: readonly number[], denominator?: readonly number[]) {
  const options = completeBasis(given);
  const feeds = {
    t: column(...points),
    ...(denominator && { d: hostTensor([1, denominator.length], Float64Array.from(denominator)) }),
  };
  const [values] = evaluate((feed) => [basisFunctions(feed('t'), options, denominator && feed('d'))], feeds);
  const size = basisSize(options);
  return points.map((_, i) => values!.slice(i * size, (i + 1) * size));
}

const points = [-1, -0.93, -0.5, -0.2, 0, 0.1, 0.37, 0.6, 0.99, 1];

function expectRows(actual: readonly number[][], expected: (t: number) => readonly number[]): void {
  points.forEach((t, row) => {
    const wanted = expected(t);
    expect(actual[row], String(t)).toHaveLength(wanted.length);
    wanted.forEach((value, m) => {
      expect(actual[row]![m], `ψ_${m + 1}(${t})`).toBeCloseTo(value, 9);
    });
  });
}

/** Cox and de Boor's recursion on the knots −1 + i·h, extended by the order on both sides. */
function coxDeBoor(t: number, { order, knots }: { order: number; knots: number }): number[] {
  const step = 2 / (knots - 1);
  const at = (i: number) => -1 + (i - order) * step;
  const spline = (i: number, degree: number): number =>
    degree === 0
      ? Number(at(i) <= t && t < at(i + 1))
      : ((t - at(i)) / (degree * step)) * spline(i, degree - 1) +
        ((at(i + degree + 1) - t) / (degree * step)) * spline(i + 1, degree - 1);
  return Array.from({ length: knots - 1 + order }, (_, i) => spline(i, order));
}

describe('basis functions', () => {
  it.each([
    [1, 3],
    [2, 5],
    [3, 6],
    [5, 9],
  ])('B-splines of order %i on %i knots are Cox and de Boor’s and sum to 1', (order, knots) => {
    const found = functionsAt({ basis: 'bspline', order, knots }, points);
    expectRows(found, (t) => coxDeBoor(t, { order, knots }));
    for (const row of found) expect(row.reduce((total, value) => total + value)).toBeCloseTo(1, 12);
  });

  it('chebyshev is cos(n·arccos t)', () => {
    expectRows(functionsAt({ basis: 'chebyshev', order: 6 }, points), (t) =>
      [1, 2, 3, 4, 5, 6].map((n) => Math.cos(n * Math.acos(t))),
    );
  });

  it('fourier is cos(πkt), sin(πkt), without ops for them', () => {
    expectRows(functionsAt({ basis: 'fourier', order: 5 }, points), (t) =>
      [1, 2, 3, 4, 5].flatMap((k) => [Math.cos(Math.PI * k * t), Math.sin(Math.PI * k * t)]),
    );
  });

  it('rbf is a Gaussian round each point of the grid, as wide as they are apart', () => {
    expectRows(functionsAt({ basis: 'rbf', knots: 5 }, points), (t) =>
      [-1, -0.5, 0, 0.5, 1].map((centre) => Math.exp(-(((t - centre) / 0.5) ** 2))),
    );
  });

  it('rational divides the powers by one denominator without a pole', () => {
    expectRows(functionsAt({ basis: 'rational', order: 3 }, points, [-3, 0.5]), (t) =>
      [1, 2, 3].map((m) => t ** m / (1 + Math.abs(-3 * t + 0.5 * t ** 2))),
    );
  });
});

describe('far beyond the grid', () => {
  it.each(['bspline', 'chebyshev', 'fourier', 'rbf', 'rational'] as const)(
    '%s stays at its edge, with finite derivatives, and the base branch goes on',
    (basis) => {
      const options = completeBasis({ basis });
      const size = basisSize(options);
      const ones = (rows: number, columns: number) =>
        hostTensor([rows, columns], new Float64Array(rows * columns).fill(1));
      const feeds = {
        // Edges of the grid, just beyond, and where a square would overflow.
        x: column(-1e200, -3, -2, 2, 3, 1e200),
        a: ones(1, 1),
        none: hostTensor([1, 1], new Float64Array(1)),
        base: ones(1, 1),
        c: hostTensor(
          [1, size],
          Float64Array.from({ length: size }, (_, m) => m + 1),
        ),
        d: hostTensor([1, 3], Float64Array.of(0.5, -1, 2)),
      };
      const [basisBranch, whole, byX, byC] = evaluate((feed) => {
        const [x, c] = [feed('x'), feed('c')];
        const weights = { a: feed('a'), c, ...(basis === 'rational' && { denominator: feed('d') }) };
        const delta = basisDelta(x, { ...weights, b: feed('base') }, options, 1);
        return [
          basisDelta(x, { ...weights, b: feed('none') }, options, 1),
          delta,
          ...gradients(sum(delta), [x, c]).map((gradient) => gradient!),
        ];
      }, feeds);
      const [low, high] = [basisBranch![2]!, basisBranch![3]!];
      expect(basisBranch).toEqual([low, low, low, high, high, high]);
      expect(whole![5]).toBeCloseTo(1e200, -190);
      expect(whole![0]).toBeCloseTo(low, 12);
      // silu's own derivative, and none of the basis.
      expect(byX![0]).toBeCloseTo(0, 12);
      expect(byX![5]).toBeCloseTo(1, 12);
      expect(byX![4]).toBeCloseTo(1.0881, 4);
      expect(byC!.every(Number.isFinite)).toBe(true);
    },
  );
});

test('options that do not belong together, and grids with too few knots, are named', () => {
  const faults = (given: BasisOptions) =>
    basisFaults(given).map(({ field, message }) => `${field}: ${message}`);
  expect(faults({ basis: 'linear', order: 3 })).toEqual(['order: left out: the basis linear has no grid']);
  expect(faults({ basis: 'rbf', order: 3 })).toEqual(['order: left out: the basis rbf has no order']);
  expect(faults({ basis: 'fourier', knots: 5 })).toEqual(['knots: left out: the basis fourier has no knots']);
  expect(faults({ basis: 'bspline', order: 4, knots: 5 })).toEqual([
    'knots: at least 6 knots for splines of order 4',
  ]);
  expect(faults({ basis: 'bspline', order: 6 })).toHaveLength(1);
  expect(faults({ basis: 'rational', order: 1 })).toEqual([
    'order: an integer from 2 to 10 for the basis rational',
  ]);
  expect(faults({ basis: 'rbf', grid: 'data', gridRange: 3 })).toHaveLength(1);
  expect(faults({ basis: 'bspline', order: 5 })).toEqual([]);
  expect((completeBasis({ basis: 'bspline', order: 5 }) as BasisOptions).knots).toBe(7);
});
