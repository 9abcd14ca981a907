import { tf } from './tfjs.mjs';

/**
 * AdamW (Loshchilov & Hutter 2019) on one flat vector of all trained parameters, so that an update takes a
 * handful of kernels however many tensors there are; tfjs's own Adam has no decoupled decay and works
 * tensor by tensor.
 * @param options the optimiser's constants, as core's `OptimizerConfig` has them
 * @returns from the flat gradient and the step's number (from 0), nothing: `parameters` is updated
 */
export function flatAdamW(parameters, { beta1, beta2, eps, weightDecay }) {
  const zeros = () => tf.variable(tf.zeros(parameters.shape), false);
  const [moment1, moment2] = [zeros(), zeros()];
  const [keep1, keep2, new1, new2, epsilon] = [beta1, beta2, 1 - beta1, 1 - beta2, eps].map((value) =>
    tf.scalar(value),
  );
  return (gradient, step, learningRate) => {
    moment1.assign(tf.add(tf.mul(moment1, keep1), tf.mul(gradient, new1)));
    moment2.assign(tf.add(tf.mul(moment2, keep2), tf.mul(tf.square(gradient), new2)));
    const rootCorrection = Math.sqrt(1 - beta2 ** (step + 1));
    const denominator = tf.add(tf.div(tf.sqrt(moment2), rootCorrection), epsilon);
    const stepSize = learningRate / (1 - beta1 ** (step + 1));
    const kept = tf.mul(parameters, 1 - learningRate * weightDecay);
    parameters.assign(tf.sub(kept, tf.mul(tf.div(moment1, denominator), stepSize)));
  };
}
