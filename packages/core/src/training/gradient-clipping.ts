import { add, div, minimum, mul, sqrt } from '../ops/elementwise.js';
import { sum } from '../ops/reduce.js';
import type { Tensor } from '../tensor/tensor.js';

/** The L2 norm of a flat gradient `[P]`, a scalar. */
export function gradientNorm(gradient: Tensor): Tensor {
  return sqrt(sum(mul(gradient, gradient)));
}

/** Scales a gradient down to norm `maxNorm` where it is larger, as torch.nn.utils.clip_grad_norm_ does. */
export function clipByNorm(gradient: Tensor, norm: Tensor, maxNorm: number): Tensor {
  return mul(gradient, minimum(div(maxNorm, add(norm, 1e-6)), 1));
}
