import type { Shape } from '@kora-bench/core/graph';
import { formatShape } from '@kora-bench/core/graph';
import { linear, matmul } from '@kora-bench/core/ops';
import type { OpCase } from './op-case.js';

interface Product {
  readonly m: number;
  readonly k: number;
  readonly n: number;
  readonly batchA?: Shape;
  readonly batchB?: Shape;
}

/** Extent 1, odd sizes, non-multiples of 4, 16 and 32, exact tiles, one large. */
const products: readonly Product[] = [
  { m: 1, k: 1, n: 1 },
  { m: 1, k: 7, n: 1 },
  { m: 1, k: 64, n: 33 },
  { m: 33, k: 1, n: 5 },
  { m: 5, k: 3, n: 1 },
  { m: 17, k: 31, n: 13 },
  { m: 64, k: 64, n: 64 },
  { m: 197, k: 65, n: 100 },
  { m: 130, k: 257, n: 67 },
  { m: 197, k: 192, n: 384 },
  { m: 5, k: 7, n: 3, batchA: [4], batchB: [4] },
  { m: 37, k: 19, n: 37, batchA: [2, 3], batchB: [2, 3] },
  { m: 5, k: 7, n: 3, batchA: [4], batchB: [] },
  { m: 5, k: 7, n: 3, batchA: [], batchB: [4] },
  { m: 5, k: 7, n: 3, batchA: [2, 1], batchB: [3] },
  { m: 6, k: 4, n: 8, batchA: [1, 3], batchB: [2, 1] },
  { m: 1, k: 5, n: 1, batchA: [2, 3, 1], batchB: [1, 1, 4] },
];

const transposes = [
  { transposeA: false, transposeB: false },
  { transposeA: false, transposeB: true },
  { transposeA: true, transposeB: false },
  { transposeA: true, transposeB: true },
];

const productCases: OpCase[] = products.map(({ m, k, n, batchA = [], batchB = [] }) => ({
  name: `matmul ${formatShape([...batchA, m, k])}·${formatShape([...batchB, k, n])}, all transposes`,
  build: ({ feed }) =>
    Object.fromEntries(
      transposes.map(({ transposeA, transposeB }) => {
        const a = feed([...batchA, ...(transposeA ? [k, m] : [m, k])]);
        const b = feed([...batchB, ...(transposeB ? [n, k] : [k, n])]);
        return [
          `${transposeA ? 'Aᵀ' : 'A'}·${transposeB ? 'Bᵀ' : 'B'}`,
          matmul(a, b, { transposeA, transposeB }),
        ];
      }),
    ),
}));

const linearCases: OpCase[] = [
  { shape: [7], out: 3 },
  { shape: [1, 1], out: 1 },
  { shape: [5, 7], out: 64 },
  { shape: [2, 197, 33], out: 65 },
  { shape: [2, 3, 5, 4], out: 9 },
].map(({ shape, out }) => ({
  name: `linear ${formatShape(shape)} → ${out}`,
  build: ({ feed, frozen, stateOf }) => {
    const x = feed(shape);
    const width = shape.at(-1)!;
    return {
      'frozen, bias': linear(x, frozen([out, width]), frozen([out])),
      'frozen, no bias': linear(x, frozen([out, width])),
      'trainable, bias': linear(x, stateOf([out, width]), stateOf([out])),
    };
  },
}));

export const matmulCases: readonly OpCase[] = [
  ...productCases,
  {
    name: 'matmul with frozen weights on either side and of itself',
    build: ({ feed, frozen }) => {
      const x = feed([2, 5, 7]);
      return {
        right: matmul(x, frozen([7, 9])),
        'right, transposed': matmul(x, frozen([9, 7]), { transposeB: true }),
        left: matmul(frozen([3, 5]), x),
        'left, transposed': matmul(frozen([5, 3]), x, { transposeA: true }),
        gram: matmul(x, x, { transposeA: true }),
      };
    },
  },
  ...linearCases,
];
