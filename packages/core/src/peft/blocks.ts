import { add, mul } from '../ops/elementwise.js';
import { gelu } from '../ops/gelu.js';
import { linear } from '../ops/linear.js';
import { concat } from '../ops/slicing.js';
import type { Tensor } from '../tensor/tensor.js';

/**
 * The update of a low-rank adapter (LoRA, Hu et al. 2022): `scale · x · Aᵀ · Bᵀ`.
 * @param x `[…, in]`
 * @param a `[r, in]`
 * @param b `[out, r]`
 * @returns `[…, out]`
 */
export function lowRankDelta(x: Tensor, a: Tensor, b: Tensor, scale: number): Tensor {
  const narrow = linear(x, a);
  return linear(scale === 1 ? narrow : mul(narrow, scale), b);
}

export interface BottleneckWeights {
  /** `[bottleneck, D]` and `[bottleneck]`. */
  readonly down: Tensor;
  readonly downBias: Tensor;
  /** `[D, bottleneck]` and `[D]`. */
  readonly up: Tensor;
  readonly upBias: Tensor;
}

/** The update of a bottleneck adapter (Houlsby et al. 2019): `up(gelu(down(x)))`, `[…, D] → […, D]`. */
export function bottleneckDelta(x: Tensor, { down, downBias, up, upBias }: BottleneckWeights): Tensor {
  return linear(gelu(linear(x, down, downBias)), up, upBias);
}

export interface CompositionWeights {
  /** `[d_comp, Σ Dᵢ]` and `[d_comp]`. */
  readonly w1: Tensor;
  readonly b1: Tensor;
  /** More layers between the two, `[d_comp, d_comp]` and `[d_comp]` each; none by default. */
  readonly hidden?: readonly { readonly weight: Tensor; readonly bias: Tensor }[];
  /** `[D, d_comp]` and `[D]`. */
  readonly w2: Tensor;
  readonly b2: Tensor;
}

/**
 * KoRA's CompositionBlock: `W2 · gelu(W1 · [δ₁ ; … ; δₙ] + b1) + b2`, `[…, Dᵢ] → […, D]`.
 * @param activation instead of gelu, behind every layer but the last
 */
export function composeDeltas(
  deltas: readonly Tensor[],
  { w1, b1, hidden = [], w2, b2 }: CompositionWeights,
  activation: (x: Tensor) => Tensor = gelu,
): Tensor {
  const first = activation(linear(concat(deltas, -1), w1, b1));
  const last = hidden.reduce((x, { weight, bias }) => activation(linear(x, weight, bias)), first);
  return linear(last, w2, b2);
}

/**
 * Adds `delta` to `value` through a gate, `value + g · delta`.
 * @param g learnable, of a shape that broadcasts: `[]`, `[D]` per channel, `[N, 1]` per token; or a number
 */
export function gated(value: Tensor, delta: Tensor, g: Tensor | number): Tensor {
  return add(value, mul(delta, g));
}
