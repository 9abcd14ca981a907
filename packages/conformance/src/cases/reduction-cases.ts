import type { Shape } from '@kora-bench/core/graph';
import { formatShape } from '@kora-bench/core/graph';
import { max, mean, sum } from '@kora-bench/core/ops';
import { normal, uniform } from '../values/case-inputs.js';
import type { OpCase } from './op-case.js';

const reductions: readonly (readonly [Shape, readonly number[]])[] = [
  [[1], [0]],
  [[197], [0]],
  [[5, 7], [0]],
  [[5, 7], [1]],
  [
    [5, 7],
    [0, 1],
  ],
  [[2, 197, 33], [1]],
  [
    [2, 3, 5],
    [0, 2],
  ],
  [
    [2, 1, 3, 1, 5],
    [1, 3],
  ],
  [
    [2, 3, 2, 3, 5],
    [0, 2, 4],
  ],
  [[3, 1030], [1]],
];

const shapeCases: OpCase[] = Object.entries({ sum, mean, max }).map(([fn, reduce]) => ({
  name: `${fn} over every kind of axes, kept or dropped`,
  build: ({ feed }) =>
    Object.fromEntries(
      reductions.flatMap(([shape, axes]) => {
        const x = feed(shape, fn === 'max' ? normal() : uniform(-1, 2));
        const name = `${formatShape(shape)} over ${axes}`;
        return [
          [name, reduce(x, { axes })],
          [`${name}, kept`, reduce(x, { axes, keepDims: true })],
        ];
      }),
    ),
}));

export const reductionCases: readonly OpCase[] = [
  ...shapeCases,
  {
    name: 'reductions of everything to a scalar',
    build: ({ feed }) => {
      const x = feed([3, 5, 7], uniform(0, 1));
      return { sum: sum(x), mean: mean(x), max: max(x) };
    },
  },
  {
    name: 'max of negative numbers only',
    build: ({ feed }) => ({ rows: max(feed([3, 5], uniform(-9, -1)), { axes: [1] }) }),
  },
];
