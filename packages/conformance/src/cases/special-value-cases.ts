import {
  cast,
  equal,
  gelu,
  greater,
  less,
  matmul,
  max,
  mean,
  softmax,
  sum,
  where,
} from '@kora-bench/core/ops';
import { listed } from '../values/case-inputs.js';
import { binaryOps, unaryOps } from './elementwise-cases.js';
import type { OpCase } from './op-case.js';

const special = [NaN, Infinity, -Infinity, 0, 1, -1, 2.5];
const pairsLeft = listed(special.flatMap((x) => special.map(() => x)));
const pairsRight = listed(special.flatMap(() => special));

const unarySpecial: OpCase[] = Object.entries(unaryOps).map(([fn, { apply }]) => ({
  name: `${fn} of NaN and infinities`,
  build: ({ feed }) => ({ y: apply(feed([special.length], listed(special))) }),
}));

/** `pow` is left out: IEEE 754 and ECMAScript disagree on 1^NaN and 1^∞, and no program here needs them. */
const binarySpecial: OpCase[] = Object.entries(binaryOps)
  .filter(([fn]) => fn !== 'pow')
  .map(([fn, { apply }]) => ({
    name: `${fn} of all pairs of NaN, infinities, zero and numbers`,
    build: ({ feed }) => ({
      y: apply(feed([special.length ** 2], pairsLeft), feed([special.length ** 2], pairsRight)),
    }),
  }));

/** What ops make of NaN and infinities, as IEEE 754 has it. */
export const specialValueCases: readonly OpCase[] = [
  ...unarySpecial,
  ...binarySpecial,
  {
    name: 'comparisons with NaN and infinities',
    build: ({ feed }) => {
      const [x, y] = [feed([special.length ** 2], pairsLeft), feed([special.length ** 2], pairsRight)];
      return { equal: equal(x, y), less: less(x, y), greater: greater(x, y) };
    },
  },
  {
    name: 'reductions of rows with NaN and infinities',
    build: ({ feed }) => {
      const rows = [
        1,
        2,
        NaN,
        3,
        Infinity,
        4,
        5,
        -Infinity,
        6,
        -Infinity,
        -Infinity,
        -Infinity,
        NaN,
        NaN,
        NaN,
      ];
      const x = feed([5, 3], listed(rows));
      return { sum: sum(x, { axes: [1] }), mean: mean(x, { axes: [1] }), max: max(x, { axes: [1] }) };
    },
  },
  {
    name: 'softmax with masked (−∞) and broken elements',
    build: ({ feed }) => {
      const rows = [
        1,
        -Infinity,
        2,
        -Infinity,
        -Infinity,
        0,
        NaN,
        1,
        2,
        Infinity,
        1,
        2,
        -Infinity,
        -Infinity,
        -Infinity,
      ];
      return { y: softmax(feed([5, 3], listed(rows))) };
    },
  },
  {
    name: 'gelu of NaN and infinity',
    build: ({ feed }) => ({ y: gelu(feed([3], listed([NaN, Infinity, 1]))) }),
  },
  {
    name: 'matmul spreads NaN along its row alone',
    build: ({ feed }) => ({ y: matmul(feed([3, 2], listed([1, 2, NaN, 3, 4, 5])), feed([2, 5])) }),
  },
  {
    name: 'zero times infinity is NaN, and where keeps it out',
    build: ({ feed }) => {
      const x = feed([4], listed([0, 1, Infinity, 2]));
      const reciprocalOrZero = where(equal(x, 0), 0, unaryOps.reciprocal.apply(x));
      return {
        product: binaryOps.mul.apply(x, unaryOps.reciprocal.apply(x)),
        guarded: reciprocalOrZero,
        mask: cast(x, 'bool'),
      };
    },
  },
];
