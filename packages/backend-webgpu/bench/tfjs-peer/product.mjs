import { tf } from './tfjs.mjs';

/** The product of `matrixProduct` in tfjs: operands stay on the device, the last result of a round is read. */
export function tfjsProduct({ weights, state }) {
  const [x, w] = [state.x, weights.get('w')].map(({ data, shape }) => tf.tensor2d(data, shape));
  const result = async () => {
    const y = tf.matMul(x, w);
    const data = await y.data();
    y.dispose();
    return data;
  };
  return {
    result,
    round: async (count) => {
      for (let i = 1; i < count; i++) tf.matMul(x, w).dispose();
      await result();
    },
  };
}
