import { add, cast, div, greater, log, maximum, mul, sqrt, sub, where } from '../ops/elementwise.js';
import { sum } from '../ops/reduce.js';
import type { Tensor } from '../tensor/tensor.js';

/** Mean squared error per example: prediction and target `[B, …]` → `[B]`. */
export function meanSquaredError(prediction: Tensor, target: Tensor): Tensor {
  const difference = sub(prediction, target);
  const axes = prediction.shape.map((_, axis) => axis).slice(1);
  const count = prediction.shape.slice(1).reduce((product, extent) => product * extent, 1);
  return div(sum(mul(difference, difference), { axes }), count);
}

/**
 * The scale-invariant loss in log depth (Eigen, Puhrsch & Fergus 2014) in the square-root form of later
 * work (Lee et al. 2019, BTS): √( mean(d²) − λ·mean(d)² + ε ) with d = predicted − true log depth, over
 * the measured pixels of each example.
 * @param logDepth predicted natural log of metres `[B, H, W]`
 * @param depth metres `[B, H, W]`, 0 where not measured
 * @param lambda 0 is the plain log error, 1 ignores the scale altogether
 * @returns `[B]`; √ε for an example without a measured pixel
 */
export function scaleInvariantDepthLoss(logDepth: Tensor, depth: Tensor, lambda = 0.5): Tensor {
  const measured = greater(depth, 0);
  const mask = cast(measured, 'f32');
  const target = log(where(measured, depth, 1));
  const difference = mul(sub(logDepth, target), mask);
  const axes = depth.shape.map((_, axis) => axis).slice(1);
  const count = maximum(sum(mask, { axes }), 1);
  const average = div(sum(difference, { axes }), count);
  const squares = div(sum(mul(difference, difference), { axes }), count);
  return sqrt(add(sub(squares, mul(mul(average, average), lambda)), 1e-6));
}
