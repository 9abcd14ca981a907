import { z } from 'zod';
import { activate } from '../nn/vit-variant.js';
import { abs, add, div, exp, maximum, minimum, mul, neg, sub } from '../ops/elementwise.js';
import { broadcastTo, reshape } from '../ops/layout.js';
import { linear } from '../ops/linear.js';
import { concat, narrow } from '../ops/slicing.js';
import { constant } from '../ops/sources.js';
import type { Tensor } from '../tensor/tensor.js';
import { lowRankDelta } from './blocks.js';

/*
 * Low-rank updates with functions of their own on every signal, as in Kolmogorov–Arnold networks (Liu et al. 2024,
 * arXiv:2404.19756). With z = A·x the r signals of an adapter,
 *
 *     delta_j = scale · Σ_k φ_jk(z_k)      φ_jk(z) = B_jk · silu(z) + Σ_m C_jkm · ψ_m(t(z))
 *
 * a base branch, which goes on everywhere, and a basis branch on a grid. t takes the grid to [−1, 1] and stays at its
 * edge beyond, so that no basis grows out of bounds: there the basis branch is constant. Basis `linear` is LoRA: B·z.
 */

export const basisKinds = ['linear', 'bspline', 'chebyshev', 'fourier', 'rbf', 'rational'] as const;
export type BasisKind = (typeof basisKinds)[number];

/** The options of methods whose adapters have basis functions; {@link completeBasis} fills in what `basis` decides. */
export interface BasisOptions {
  readonly basis: BasisKind;
  /** Degree of the splines or polynomials (of a rational function’s numerator), number of Fourier’s frequencies. */
  readonly order?: number | undefined;
  /** Points of the grid, both ends included: of B-splines their knots, of radial functions their centres. */
  readonly knots?: number | undefined;
  /** Whether the grid is given, or laid over what the signals are on training images before the first step. */
  readonly grid?: 'fixed' | 'data' | undefined;
  /** Half the width of a given grid, which has 0 in its middle. */
  readonly gridRange?: number | undefined;
}

/** The same as fields of an options schema, to be checked with {@link basisFaults}. */
export function basisFields(standard: BasisKind) {
  return {
    basis: z.enum(basisKinds).default(standard),
    order: z.int().min(1).max(10).optional(),
    knots: z.int().min(2).max(64).optional(),
    grid: z.enum(['fixed', 'data']).optional(),
    gridRange: z.number().positive().max(1000).optional(),
  };
}

/** What is known of a basis: the order that it has unless told, and whether it has knots. */
const basisTraits: Readonly<
  Record<
    Exclude<BasisKind, 'linear'>,
    { order?: number; knots?: number; minOrder?: number; maxOrder?: number }
  >
> = {
  bspline: { order: 3, maxOrder: 5, knots: 6 },
  chebyshev: { order: 4 },
  fourier: { order: 3 },
  rbf: { knots: 8 },
  rational: { order: 4, minOrder: 2 },
};

export interface OptionFault {
  readonly field: string;
  /** What is expected, e.g. `left out: linear has no grid`. */
  readonly message: string;
}

/** What the fields of a basis have against each other. */
export function basisFaults({ basis, order, knots, grid, gridRange }: BasisOptions): OptionFault[] {
  const unless = (field: string, value: unknown, allowed: boolean, why: string) =>
    value === undefined || allowed ? [] : [{ field, message: `left out: ${why}` }];
  if (basis === 'linear') {
    const given = { order, knots, grid, gridRange };
    return Object.entries(given).flatMap(([field, value]) =>
      unless(field, value, false, 'the basis linear has no grid'),
    );
  }
  const traits = basisTraits[basis];
  const { minOrder = 1, maxOrder = 10 } = traits;
  const degree = order ?? traits.order;
  return [
    ...unless('order', order, traits.order !== undefined, `the basis ${basis} has no order`),
    ...unless('knots', knots, traits.knots !== undefined, `the basis ${basis} has no knots`),
    ...unless('gridRange', gridRange, grid !== 'data', 'the data decides the range of the grid'),
    ...(traits.order !== undefined && (degree! < minOrder || degree! > maxOrder)
      ? [{ field: 'order', message: `an integer from ${minOrder} to ${maxOrder} for the basis ${basis}` }]
      : []),
    // With fewer knots every function covers the whole grid: a polynomial, which chebyshev is made for.
    ...(basis === 'bspline' && knots !== undefined && knots < degree! + 2
      ? [{ field: 'knots', message: `at least ${degree! + 2} knots for splines of order ${degree}` }]
      : []),
  ];
}

/** Options with the order, the knots and the grid that the basis has unless told. */
export function completeBasis<Options extends BasisOptions>(options: Options): Options {
  const { basis, grid = 'fixed' } = options;
  if (basis === 'linear') return options;
  const traits = basisTraits[basis];
  const order = options.order ?? traits.order;
  const knots =
    options.knots ?? (traits.knots && Math.max(traits.knots, basis === 'bspline' ? order! + 2 : 0));
  return {
    ...options,
    ...(order !== undefined && { order }),
    ...(knots !== undefined && { knots }),
    grid,
    ...(grid === 'fixed' && { gridRange: options.gridRange ?? 2 }),
  };
}

/** The number of functions ψ that each signal has; 0 for `linear`. */
export function basisSize({ basis, order, knots }: BasisOptions): number {
  switch (basis) {
    case 'linear':
      return 0;
    case 'bspline':
      return knots! - 1 + order!;
    case 'fourier':
      return 2 * order!;
    case 'rbf':
      return knots!;
    case 'chebyshev':
    case 'rational':
      return order!;
  }
}

export interface BasisWeights {
  /** A `[r, in]`. */
  readonly a: Tensor;
  /** B `[out, r]`, of the base branch. */
  readonly b: Tensor;
  /** C `[out, r·M]`, of the basis branch with M functions: signal by signal. */
  readonly c: Tensor;
  /** Middle and half the width of every signal’s grid, `[r]` each, where the data decides. */
  readonly grid?: { readonly centre: Tensor; readonly halfWidth: Tensor };
  /** The denominators’ coefficients `[r, order − 1]` of rational functions. */
  readonly denominator?: Tensor;
}

/**
 * The update of a low-rank adapter with basis functions, `[…, in] → […, out]`.
 * @param weights those that {@link basisParameters} and the method’s own A and B declare; of `linear` A and B alone
 */
export function basisDelta(
  x: Tensor,
  weights: Pick<BasisWeights, 'a' | 'b'> & Partial<BasisWeights>,
  options: BasisOptions,
  scale: number,
): Tensor {
  const { a, b, c, grid, denominator } = weights;
  if (options.basis === 'linear') return lowRankDelta(x, a, b, scale);
  const signals = linear(x, a);
  const placed = grid ? div(sub(signals, grid.centre), grid.halfWidth) : mul(signals, 1 / options.gridRange!);
  const onGrid = minimum(maximum(placed, -1), 1);
  const functions = basisFunctions(onGrid, options, denominator);
  const base = linear(mul(activate(signals, 'silu'), scale), b);
  return add(base, linear(mul(functions, scale), c!));
}

/**
 * ψ_1 … ψ_M of every signal: `[…, r] → […, r·M]`, the functions of a signal beside each other.
 * @param t the signals on the grid, in [−1, 1]
 * @param denominator `[r, order − 1]`, of `rational`
 */
export function basisFunctions(t: Tensor, options: BasisOptions, denominator?: Tensor): Tensor {
  const { basis, order, knots } = options;
  const size = basisSize(options);
  const column = reshape(t, [...t.shape, 1]);
  const at = (points: readonly number[]) =>
    sub(column, constant(t.builder, Float64Array.from(points), [points.length]));
  const functions = (): Tensor => {
    switch (basis) {
      case 'linear':
        return column;
      case 'bspline': {
        const step = 2 / (knots! - 1);
        const centres = Array.from({ length: size }, (_, i) => -1 + (i + (1 - order!) / 2) * step);
        return cardinalSpline(mul(at(centres), 1 / step), order!);
      }
      case 'chebyshev':
        return concat(chebyshev(column, order!), -1);
      case 'fourier':
        return concat(fourier(column, order!), -1);
      case 'rbf': {
        const step = 2 / (knots! - 1);
        const distance = mul(at(Array.from({ length: size }, (_, i) => -1 + i * step)), 1 / step);
        return exp(neg(mul(distance, distance)));
      }
      case 'rational':
        return rational(column, order!, denominator!);
    }
  };
  return reshape(functions(), [...t.shape.slice(0, -1), -1]);
}

/**
 * The B-spline of degree p on integer knots with its middle at 0, in |u| alone (Schoenberg 1946), so that no large
 * powers cancel: B(u) = 1/p! · Σ_i (−1)^i · C(p+1, i) · ((p+1)/2 − i − |u|)₊^p.
 */
function cardinalSpline(u: Tensor, degree: number): Tensor {
  const distance = abs(u);
  let total: Tensor | undefined;
  let binomial = 1;
  let factorial = 1;
  for (let i = 2; i <= degree; i++) factorial *= i;
  for (let i = 0; i < (degree + 1) / 2; i++) {
    const positive = maximum(sub((degree + 1) / 2 - i, distance), 0);
    let power = positive;
    for (let k = 1; k < degree; k++) power = mul(power, positive);
    const term = mul(power, ((i % 2 === 0 ? 1 : -1) * binomial) / factorial);
    total = total === undefined ? term : add(total, term);
    binomial = (binomial * (degree + 1 - i)) / (i + 1);
  }
  return total!;
}

/** T_1 … T_n; T_0 is left out, as a constant of every signal. */
function chebyshev(t: Tensor, order: number): Tensor[] {
  const found = [t];
  let before: Tensor | number = 1;
  while (found.length < order) {
    const last = found.at(-1)!;
    found.push(sub(mul(mul(t, 2), last), before));
    before = last;
  }
  return found;
}

/** cos(πkt) and sin(πkt) for k = 1 … n, from the first by the addition theorems. */
function fourier(t: Tensor, order: number): Tensor[] {
  // Taylor series of half the angle, at most π/2: their rest is below 1e-12.
  const half = mul(t, Math.PI / 2);
  const square = mul(half, half);
  const series = (first: number) => {
    let sum: Tensor | number = 1;
    for (let n = first + 14; n >= first; n -= 2) sum = add(mul(mul(square, sum), -1 / (n * (n - 1))), 1);
    return sum as Tensor;
  };
  const [sine, cosine] = [mul(half, series(3)), series(2)];
  const s1 = mul(mul(sine, cosine), 2);
  const c1 = sub(1, mul(mul(sine, sine), 2));
  const found: Tensor[] = [c1, s1];
  let [c, s] = [c1, s1];
  for (let k = 2; k <= order; k++) {
    [c, s] = [sub(mul(c, c1), mul(s, s1)), add(mul(s, c1), mul(c, s1))];
    found.push(c, s);
  }
  return found;
}

/** t^m / (1 + |Σ_n d_n·t^n|), m = 1 … order: a Padé unit that has no pole (Molina et al. 2020, arXiv:1907.06732). */
function rational(t: Tensor, order: number, denominator: Tensor): Tensor {
  const powers = [t];
  while (powers.length < order) powers.push(mul(powers.at(-1)!, t));
  const terms = powers.slice(0, -1).map((power, n) => mul(power, narrow(denominator, 1, n, n + 1)));
  const poleFree = add(abs(terms.reduce((sum, term) => add(sum, term))), 1);
  const numerators = concat(powers, -1);
  return div(numerators, broadcastTo(poleFree, numerators.shape));
}
