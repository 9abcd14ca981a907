import { gradients } from '@kora-bench/core/autodiff';
import type { Tensor } from '@kora-bench/core/graph';
import {
  abs,
  concat,
  crossEntropy,
  div,
  gelu,
  layerNorm,
  linear,
  matmul,
  max,
  maximum,
  mean,
  mul,
  narrow,
  pow,
  scaledDotProductAttention,
  softmax,
  sqrt,
  standardize,
  stopGradient,
  sum,
  tanh,
} from '@kora-bench/core/ops';
import type { CaseInputs } from '../values/case-inputs.js';
import { awayFromZero, digits, integers, uniform } from '../values/case-inputs.js';
import type { OpCase } from './op-case.js';

/** Gradients of a random weighting of `y`, so that no adjoint is constant, for each of `wrt` by name. */
export function weightedGradients(
  { feed }: CaseInputs,
  y: Tensor,
  wrt: Readonly<Record<string, Tensor>>,
): Record<string, Tensor> {
  const loss = sum(mul(y, feed(y.shape)));
  const found = gradients(loss, Object.values(wrt));
  return Object.fromEntries(Object.keys(wrt).map((name, i) => [`d${name}`, found[i]!]));
}

interface GradientCase {
  readonly name: string;
  /** The differentiated value and what it is differentiated by. */
  build(inputs: CaseInputs): { readonly y: Tensor; readonly wrt: Readonly<Record<string, Tensor>> };
}

const cases: readonly GradientCase[] = [
  {
    name: 'elementwise ops with broadcasting',
    build: ({ feed }) => {
      const [x, w] = [feed([2, 5, 7], awayFromZero(0.5)), feed([5, 1], uniform(0.5, 2))];
      return { y: div(mul(tanh(x), pow(w, 3)), sqrt(mul(abs(x), w))), wrt: { x, w } };
    },
  },
  {
    name: 'max with ties',
    build: ({ feed }) => {
      const [x, w] = [feed([5, 33], digits(4)), feed([33], digits(4))];
      return { y: mul(max(x, { axes: [1], keepDims: true }), maximum(x, w)), wrt: { x, w } };
    },
  },
  {
    name: 'matmul, batched and with a shared matrix',
    build: ({ feed }) => {
      const [a, b, w] = [feed([2, 3, 5, 7]), feed([3, 9, 7]), feed([9, 4])];
      return { y: matmul(matmul(a, b, { transposeB: true }), w), wrt: { a, b, w } };
    },
  },
  {
    name: 'linear with a trainable weight over tokens',
    build: ({ feed, stateOf }) => {
      const [x, w, b] = [feed([2, 197, 33]), stateOf([17, 33]), stateOf([17])];
      return { y: linear(x, w, b), wrt: { x, w, b } };
    },
  },
  {
    name: 'slices joined and pooled',
    build: ({ feed }) => {
      const x = feed([2, 7, 5]);
      const joined = concat([narrow(x, 1, 4, 7), narrow(x, 1, 0, 3)], 2);
      return { y: mean(mul(joined, joined), { axes: [1] }), wrt: { x } };
    },
  },
  {
    name: 'softmax',
    build: ({ feed }) => {
      const [x, wide] = [feed([2, 3, 33]), feed([1, 197])];
      return {
        y: concat([sum(softmax(x), { axes: [0] }), mul(narrow(softmax(wide), 1, 0, 33), feed([3, 33]))], 0),
        wrt: { x, wide },
      };
    },
  },
  {
    name: 'gelu',
    build: ({ feed }) => {
      const x = feed([5, 197], uniform(-6, 6));
      return { y: gelu(x), wrt: { x } };
    },
  },
  {
    name: 'a product with one factor held constant',
    build: ({ feed }) => {
      const x = feed([5, 33]);
      return { y: mul(x, stopGradient(x)), wrt: { x } };
    },
  },
  {
    name: 'layerNorm',
    build: ({ feed, stateOf }) => {
      const [x, gamma, beta] = [feed([2, 5, 33]), stateOf([33]), stateOf([33])];
      return { y: layerNorm(x, gamma, beta, 1e-6), wrt: { x, gamma, beta } };
    },
  },
  {
    name: 'standardize',
    build: ({ feed }) => {
      const x = feed([2, 5, 33]);
      return { y: standardize(x, 1e-6), wrt: { x } };
    },
  },
  {
    name: 'attention, square',
    build: ({ feed }) => {
      const [q, k, v] = [feed([2, 3, 37, 16]), feed([2, 3, 37, 16]), feed([2, 3, 37, 16])];
      return { y: scaledDotProductAttention(q, k, v, 0.25), wrt: { q, k, v } };
    },
  },
  {
    name: 'attention, other keys than queries',
    build: ({ feed }) => {
      const [q, k, v] = [feed([1, 2, 5, 4]), feed([1, 2, 9, 4]), feed([1, 2, 9, 3])];
      return { y: scaledDotProductAttention(q, k, v, 0.5), wrt: { q, k, v } };
    },
  },
  {
    name: 'crossEntropy with smoothing',
    build: ({ feed }) => {
      const logits = feed([5, 37]);
      return { y: crossEntropy(logits, feed([5], integers(37)), 0.1), wrt: { logits } };
    },
  },
  {
    name: 'crossEntropy without smoothing',
    build: ({ feed }) => {
      const logits = feed([3, 10]);
      return { y: crossEntropy(logits, feed([3], integers(10))), wrt: { logits } };
    },
  },
];

export const gradientCases: readonly OpCase[] = cases.map(({ name, build }) => ({
  name: `gradient of ${name}`,
  tolerance: 'gradient',
  build(inputs) {
    const { y, wrt } = build(inputs);
    return weightedGradients(inputs, y, wrt);
  },
}));
