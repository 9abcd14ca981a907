import type { BinaryFn, Shape, Tensor, UnaryFn } from '@kora-bench/core/graph';
import { formatShape } from '@kora-bench/core/graph';
import type { Operand } from '@kora-bench/core/ops';
import {
  abs,
  add,
  cast,
  div,
  equal,
  erf,
  exp,
  greater,
  less,
  log,
  maximum,
  minimum,
  mul,
  neg,
  pow,
  reciprocal,
  sign,
  sqrt,
  sub,
  tanh,
  where,
} from '@kora-bench/core/ops';
import type { Values } from '../values/case-inputs.js';
import { awayFromZero, booleans, digits, integers, listed, normal, uniform } from '../values/case-inputs.js';
import type { OpCase } from './op-case.js';

export const unaryOps: Readonly<
  Record<UnaryFn, { readonly apply: (x: Tensor) => Tensor; readonly values: Values }>
> = {
  neg: { apply: neg, values: normal() },
  exp: { apply: exp, values: uniform(-8, 4) },
  log: { apply: log, values: uniform(1e-3, 20) },
  sqrt: { apply: sqrt, values: uniform(0, 20) },
  tanh: { apply: tanh, values: uniform(-12, 12) },
  erf: { apply: erf, values: uniform(-7, 7) },
  abs: { apply: abs, values: normal() },
  sign: { apply: sign, values: listed([-2.5, 0, 3, -1e-20, 1e-20]) },
  reciprocal: { apply: reciprocal, values: awayFromZero(0.1) },
};

type Binary = {
  readonly apply: (x: Operand, y: Operand) => Tensor;
  readonly left: Values;
  readonly right: Values;
};

export const binaryOps: Readonly<Record<BinaryFn, Binary>> = {
  add: { apply: add, left: normal(), right: normal() },
  sub: { apply: sub, left: normal(), right: normal() },
  mul: { apply: mul, left: normal(), right: normal() },
  div: { apply: div, left: normal(), right: awayFromZero(0.2) },
  max: { apply: maximum, left: digits(3), right: digits(3) },
  min: { apply: minimum, left: digits(3), right: digits(3) },
  pow: { apply: pow, left: uniform(0.2, 3), right: uniform(-3, 3) },
};

/** Pairs of shapes that broadcast: both sides, either side, scalars, different ranks, extent 1. */
export const broadcastPairs: readonly (readonly [Shape, Shape])[] = [
  [[], []],
  [[197], [197]],
  [[], [7]],
  [[3, 5], [5]],
  [[1], [3, 5]],
  [
    [3, 1],
    [1, 5],
  ],
  [
    [2, 1, 5],
    [7, 1],
  ],
  [
    [2, 3, 1, 5, 1],
    [4, 1, 6],
  ],
  [
    [2, 197, 17],
    [197, 1],
  ],
];

const unaryCases: OpCase[] = Object.entries(unaryOps).map(([fn, { apply, values }]) => ({
  name: fn,
  build: ({ feed }) =>
    Object.fromEntries(
      [[], [1], [197], [3, 7, 5], [1, 2, 1, 3, 11], [130, 67]].map((shape) => [
        formatShape(shape),
        apply(feed(shape, values)),
      ]),
    ),
}));

const binaryCases: OpCase[] = Object.entries(binaryOps).map(([fn, { apply, left, right }]) => ({
  name: `${fn} with broadcasting`,
  build: ({ feed }) =>
    Object.fromEntries(
      broadcastPairs.map(([a, b]) => [
        `${formatShape(a)} and ${formatShape(b)}`,
        apply(feed(a, left), feed(b, right)),
      ]),
    ),
}));

const compareCases: OpCase[] = Object.entries({ equal, less, greater }).map(([fn, apply]) => ({
  name: `${fn} with broadcasting, on f32 and i32`,
  build: ({ feed }) =>
    Object.fromEntries(
      broadcastPairs.flatMap(([a, b]) => [
        [`f32 ${formatShape(a)} and ${formatShape(b)}`, apply(feed(a, digits(3)), feed(b, digits(3)))],
        [`i32 ${formatShape(a)} and ${formatShape(b)}`, apply(feed(a, integers(3)), feed(b, integers(3)))],
      ]),
    ),
}));

const selectionCases: OpCase[] = [
  {
    name: 'where with broadcasting of all three',
    build: ({ feed }) => ({
      same: where(feed([5, 7], booleans), feed([5, 7]), feed([5, 7])),
      'condition smaller': where(feed([5, 1], booleans), feed([5, 7]), feed([7])),
      'condition larger': where(feed([2, 5, 7], booleans), feed([7]), feed([5, 1])),
      scalars: where(feed([], booleans), feed([]), feed([3])),
      numbers: where(feed([197], booleans), 0.5, feed([197])),
      i32: where(feed([4, 3], booleans), feed([3], integers(9)), feed([4, 1], integers(9))),
    }),
  },
  {
    name: 'where does not let the branch not taken through, even NaN',
    build: ({ feed }) => ({
      y: where(feed([4], listed([1, 0], 'bool')), feed([4]), feed([4], listed([NaN]))),
    }),
  },
  {
    name: 'cast between all dtypes',
    build: ({ feed }) => ({
      'f32 to i32 truncates': cast(feed([6], listed([-2.7, -0.5, 0, 0.5, 2.7, 40000])), 'i32'),
      'f32 to bool': cast(feed([5], listed([0, -0, 1e-20, -1, 3])), 'bool'),
      'i32 to f32': cast(feed([5], listed([-3, 0, 7, 65537, -1], 'i32')), 'f32'),
      'i32 to bool': cast(feed([3], listed([-3, 0, 7], 'i32')), 'bool'),
      'bool to f32': cast(feed([3, 5], booleans), 'f32'),
      'bool to i32': cast(feed([3, 5], booleans), 'i32'),
    }),
  },
  {
    name: 'a mask from a comparison, as a number',
    build: ({ feed }) => ({ share: cast(less(feed([3, 4]), feed([4])), 'f32') }),
  },
  {
    name: 'operands that are numbers, on both sides',
    build: ({ feed }) => {
      const x = feed([3, 5], awayFromZero(0.5));
      return {
        left: sub(1, x),
        right: sub(x, 1),
        quotient: div(2, x),
        power: pow(x, 2),
        larger: maximum(x, 0),
      };
    },
  },
  {
    name: 'one value used as both operands',
    build: ({ feed }) => {
      const x = feed([3, 5]);
      return { sum: add(x, x), product: mul(x, x), difference: sub(x, x), equal: equal(x, x) };
    },
  },
];

export const elementwiseCases: readonly OpCase[] = [
  ...unaryCases,
  ...binaryCases,
  ...compareCases,
  ...selectionCases,
];
