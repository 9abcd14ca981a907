import { tf } from './tfjs.mjs';

/*
 * Layers whose weights are frozen, with gradients by hand: tfjs's own would also compute what frozen weights
 * do not need (its fused product takes both operands' gradients) or would take more kernels.
 */

/**
 * `x · Wᵀ + b` for x `[rows, in]`; W is `[out, in]` on the host. Each direction gets the copy of W that
 * its product reads without a transpose, which is the faster kind on this backend.
 */
export function frozenLinear(weight, bias) {
  const backward = tf.tensor2d(weight.data, weight.shape);
  const forward = tf.transpose(backward);
  const offset = tf.tensor1d(bias.data);
  return tf.customGrad((x) => ({
    value: tf.fused.matMul({ a: x, b: forward, bias: offset }),
    gradFunc: (dy) => tf.matMul(dy, backward),
  }));
}

/**
 * Layer norm of x `[rows, D]` over D. The fused batch norm kernel normalises by any mean and variance that
 * broadcast, so one kernel does what would take four; the gradient
 * `(g − mean(g) − x̂ · mean(g · x̂)) / σ` with g = dy · γ uses it too.
 */
export function frozenLayerNorm(gamma, beta, eps) {
  const scale = tf.tensor4d(gamma.data, [1, 1, 1, gamma.data.length]);
  const offset = tf.tensor4d(beta.data, [1, 1, 1, beta.data.length]);
  return tf.customGrad((x, save) => {
    const x4 = asRows(x);
    const mean = tf.mean(x4, 3, true);
    const variance = tf.mean(tf.squaredDifference(x4, mean), 3, true);
    save([x4, mean, variance]);
    return {
      value: tf.reshape(tf.batchNorm(x4, mean, variance, offset, scale, eps), x.shape),
      gradFunc: (dy, [x4, mean, variance]) => {
        const g = tf.mul(asRows(dy), scale);
        const normed = tf.batchNorm(x4, mean, variance, undefined, undefined, eps);
        const slope = tf.mean(tf.mul(g, normed), 3, true);
        const shift = tf.batchNorm(x4, mean, variance, tf.mean(g, 3, true), slope, eps);
        return tf.reshape(tf.batchNorm(g, shift, variance, undefined, undefined, eps), dy.shape);
      },
    };
  });
}

function asRows(x) {
  return tf.reshape(x, [1, 1, x.shape[0], x.shape[1]]);
}
