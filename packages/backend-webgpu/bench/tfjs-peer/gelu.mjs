import { tf } from './tfjs.mjs';

const constants = [0.5, Math.SQRT1_2, 1, -0.5, 1 / Math.sqrt(2 * Math.PI)].map((value) => tf.scalar(value));
const [half, rootHalf, one, minusHalf, density] = constants;

/** The exact GELU `x · Φ(x)`; its gradient `Φ(x) + x · φ(x)` reuses Φ. */
export const gelu = tf.customGrad((x, save) => {
  const cdf = tf.mul(tf.add(tf.erf(tf.mul(x, rootHalf)), one), half);
  save([x, cdf]);
  return {
    value: tf.mul(x, cdf),
    gradFunc: (dy, [x, cdf]) => {
      const pdf = tf.mul(tf.exp(tf.mul(tf.square(x), minusHalf)), density);
      return tf.mul(dy, tf.add(cdf, tf.mul(x, pdf)));
    },
  };
});
