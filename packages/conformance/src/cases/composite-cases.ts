import type { Shape } from '@kora-bench/core/graph';
import { formatShape } from '@kora-bench/core/graph';
import {
  add,
  crossEntropy,
  gelu,
  layerNorm,
  matmul,
  mul,
  scaledDotProductAttention,
  softmax,
  standardize,
  stopGradient,
} from '@kora-bench/core/ops';
import { integers, normal, uniform } from '../values/case-inputs.js';
import type { OpCase } from './op-case.js';

const rows: readonly Shape[] = [
  [1],
  [7],
  [1, 5],
  [197, 1],
  [3, 64],
  [2, 5, 197],
  [2, 3, 5, 33],
  [1, 2, 1, 2, 17],
];

/** B, H, N queries, M keys, width d of q and k, width e of v. */
const heads = [
  { b: 1, h: 1, n: 1, m: 1, d: 1, e: 1 },
  { b: 2, h: 3, n: 5, m: 5, d: 4, e: 4 },
  { b: 1, h: 2, n: 1, m: 50, d: 16, e: 16 },
  { b: 1, h: 3, n: 197, m: 197, d: 64, e: 64 },
  { b: 2, h: 1, n: 33, m: 7, d: 5, e: 9 },
];

export const compositeCases: readonly OpCase[] = [
  {
    name: 'softmax',
    build: ({ feed }) =>
      Object.fromEntries(rows.map((shape) => [formatShape(shape), softmax(feed(shape, normal(3)))])),
  },
  {
    name: 'softmax of large and equal arguments',
    build: ({ feed }) => ({
      large: softmax(feed([3, 5], uniform(9e3, 9.01e3))),
      'very negative': softmax(feed([3, 5], uniform(-9.01e3, -9e3))),
      spread: softmax(feed([3, 64], uniform(-200, 200))),
    }),
  },
  {
    name: 'gelu',
    build: ({ feed }) => ({
      ...Object.fromEntries(rows.map((shape) => [formatShape(shape), gelu(feed(shape, normal(2)))])),
      scalar: gelu(feed([])),
      tails: gelu(feed([197], uniform(-12, 12))),
    }),
  },
  {
    name: 'stopGradient',
    build: ({ feed }) => {
      const x = feed([3, 33]);
      return { held: stopGradient(x), used: mul(stopGradient(x), 2) };
    },
  },
  {
    name: 'layerNorm',
    build: ({ feed, frozen }) =>
      Object.fromEntries(
        rows.map((shape) => {
          const width = shape.at(-1)!;
          return [
            formatShape(shape),
            layerNorm(feed(shape, normal(2)), frozen([width]), frozen([width]), 1e-6),
          ];
        }),
      ),
  },
  {
    name: 'standardize',
    build: ({ feed }) =>
      Object.fromEntries(
        rows.map((shape) => [formatShape(shape), standardize(feed(shape, normal(2)), 1e-6)] as const),
      ),
  },
  {
    name: 'layerNorm with a mean far from zero and with a large eps',
    build: ({ feed, stateOf }) => {
      const [gamma, beta] = [stateOf([64]), stateOf([64])];
      return {
        shifted: layerNorm(feed([3, 64], uniform(20, 22)), gamma, beta, 1e-5),
        'large eps': layerNorm(feed([3, 64]), gamma, beta, 0.5),
      };
    },
  },
  {
    // Backends may compute these products where they have the rows.
    name: 'layerNorm, and products of its rows with narrow matrices',
    build: ({ feed, stateOf }) =>
      Object.fromEntries(
        [64, 13].flatMap((width) => {
          const x = feed([2, 5, width], normal(2));
          const y = add(layerNorm(x, stateOf([width]), stateOf([width]), 1e-6), x);
          return [
            [`rows of ${width}`, y],
            [`[${width}, 8]`, matmul(y, stateOf([width, 8]))],
            [`[6, ${width}]`, matmul(y, stateOf([6, width]), { transposeB: true })],
          ];
        }),
      ),
  },
  {
    // Backends may leave adding the update to what works on the rows; the residual is read again after that.
    name: 'layerNorm of a layer with a low-rank update and a residual',
    build: ({ feed, stateOf }) =>
      Object.fromEntries(
        [
          [64, 8],
          [64, 6],
          [13, 5],
        ].flatMap(([width, rank]) =>
          [false, true].map((transposeB) => {
            const x = feed([2, 5, width!], normal(2));
            const u = matmul(x, stateOf([width!, rank!]));
            const update = matmul(u, stateOf(transposeB ? [width!, rank!] : [rank!, width!]), { transposeB });
            const biased = add(matmul(x, stateOf([width!, width!])), stateOf([width!]));
            const sum = add(add(biased, update), x);
            const y = layerNorm(sum, stateOf([width!]), stateOf([width!]), 1e-6);
            return [`${width}, rank ${rank}${transposeB ? ', transposed' : ''}`, add(y, sum)];
          }),
        ),
      ),
  },
  ...heads.map(
    ({ b, h, n, m, d, e }): OpCase => ({
      name: `attention [${b}, ${h}, ${n}, ${d}] over ${m} keys`,
      build: ({ feed }) => ({
        y: scaledDotProductAttention(
          feed([b, h, n, d]),
          feed([b, h, m, d]),
          feed([b, h, m, e]),
          1 / Math.sqrt(d),
        ),
      }),
    }),
  ),
  {
    name: 'attention of rank 2 and 3',
    build: ({ feed }) => ({
      'rank 2': scaledDotProductAttention(feed([5, 4]), feed([7, 4]), feed([7, 3]), 0.5),
      'rank 3': scaledDotProductAttention(feed([2, 5, 4]), feed([2, 7, 4]), feed([2, 7, 3]), 0.5),
    }),
  },
  {
    name: 'crossEntropy with and without smoothing',
    build: ({ feed }) => ({
      plain: crossEntropy(feed([5, 7], normal(3)), feed([5], integers(7))),
      smoothed: crossEntropy(feed([5, 7], normal(3)), feed([5], integers(7)), 0.1),
      'two classes': crossEntropy(feed([1, 2]), feed([1], integers(2))),
      'one class': crossEntropy(feed([3, 1]), feed([3], integers(1)), 0.1),
      many: crossEntropy(feed([17, 197], normal(5)), feed([17], integers(197)), 0.2),
      'large logits': crossEntropy(feed([3, 10], uniform(-300, 300)), feed([3], integers(10))),
    }),
  },
];
