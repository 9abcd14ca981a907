import { defaultAdamW } from '@kora-bench/core/training';
import { flatAdamW } from './adamw.mjs';
import { tf } from './tfjs.mjs';
import { loraVit } from './vit.mjs';

/**
 * The training step of `vitLoraStep` in tfjs: same weights, same batch, same optimiser.
 * @param model the ViT's configuration
 * @param step what `vitLoraStep` returns for it
 * @returns `next` does one step and returns a promise of its loss; a round does several and reads the last
 *   loss alone, which is what waits for the device
 */
export function tfjsTrainStep(model, { layout, weights, state, feeds }) {
  const forward = loraVit(model, weights);
  const parameters = tf.variable(tf.tensor1d(state.parameters.data), false);
  const update = flatAdamW(parameters, defaultAdamW);
  const sizes = layout.entries.map(({ size }) => size);
  const shapes = layout.entries.map(({ shape }) => shape);
  const classes = layout.entries.find(({ name }) => name === 'head.bias').size;
  const places = new Map(layout.entries.map(({ name }, i) => [name, i]));

  let number = 0;
  const step = () =>
    tf.tidy(() => {
      const { images, labels, learningRate } = feeds(number);
      const batch = tf.tensor4d(images.data, images.shape);
      const target = tf.oneHot(tf.tensor1d(labels.data, 'int32'), classes);
      const trained = tf.split(parameters, sizes).map((part, i) => tf.reshape(part, shapes[i]));
      const lossOf = (...tensors) => {
        const logits = forward(batch, (name) => tensors[places.get(name)]);
        return tf.losses.softmaxCrossEntropy(target, logits);
      };
      const { value, grads } = tf.valueAndGrads(lossOf)(trained);
      update(tf.concat(grads.map((grad) => tf.reshape(grad, [-1]))), number++, learningRate.data[0]);
      return value;
    });
  const next = async () => {
    const loss = step();
    const [value] = await loss.data();
    loss.dispose();
    return value;
  };
  return {
    next,
    round: async (count) => {
      for (let i = 1; i < count; i++) step().dispose();
      await next();
    },
  };
}
