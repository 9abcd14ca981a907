import type { Peer, PeerDefinition, PeerTraining } from '@kora-bench/core/backend';
import { BackendError, firstLine, InputError } from '@kora-bench/core/errors';
import type { HostTensor, Weights } from '@kora-bench/core/graph';
import { isPlainVit } from '@kora-bench/core/nn';
import type * as tfjs from '@tensorflow/tfjs';
import { z } from 'zod';
import { requireDevice, tfjsVersion } from '../devices/devices.js';
import { openTfjs } from '../devices/open-tfjs.js';
import { usualVit } from './usual-vit.js';

type Tf = typeof tfjs;

/** The options of `lora` that the peer has: adapters on all linear layers. */
const loraOptions = z.object({
  rank: z.int(),
  alpha: z.number(),
  scaling: z.enum(['alpha', 'alpha/r', 'alpha/sqrt(r)']),
  targets: z.literal('all-linear'),
});

/** The factor on every adapter's output. */
function scaleOf({ rank, alpha, scaling }: z.infer<typeof loraOptions>): number {
  switch (scaling) {
    case 'alpha':
      return alpha;
    case 'alpha/r':
      return alpha / rank;
    case 'alpha/sqrt(r)':
      return alpha / Math.sqrt(rank);
  }
}

/** A LoRA fine-tuning in tfjs alone: `tf.variableGrads` and `tf.train.adam`, on any of its engines. */
export const peer: PeerDefinition = {
  name: 'tfjs, tf.variableGrads',
  async create(device, training) {
    const options = loraOptions.safeParse(training.method.options);
    const { model, optimizer } = training;
    if (!isPlainVit(model)) {
      throw new InputError(`The peer of tfjs has no ${model.name} to compare with.`, {
        where: '--peers',
        expected: 'a plain Vision Transformer, e.g. vit_tiny_patch16_224',
        received: model.name,
        fix: 'Choose such a model, or leave --peers out.',
      });
    }
    if (training.method.definition.name !== 'lora' || !options.success || optimizer.kind !== 'adamw') {
      throw new InputError('The peer of tfjs has no such training.', {
        where: 'method',
        expected: 'lora with the targets all-linear, trained with AdamW',
        received: `${training.method.definition.name} ${JSON.stringify(training.method.options)}`,
        fix: 'Measure with --method lora.',
      });
    }
    const open = await openTfjs(requireDevice(device));
    const tf = await loadWhole();
    open.engine();
    return startTraining(tf, training, { ...optimizer, scale: scaleOf(options.data) });
  },
};

/** Only the whole package has gradients. */
async function loadWhole(): Promise<Tf> {
  try {
    return await import('@tensorflow/tfjs');
  } catch (cause) {
    throw new BackendError('The peer of tfjs needs the whole of TensorFlow.js.', {
      where: 'tfjs peer',
      expected: `the package @tensorflow/tfjs ${tfjsVersion}`,
      received: firstLine(cause),
      fix: `npm install @tensorflow/tfjs@${tfjsVersion}`,
      cause,
    });
  }
}

interface Constants {
  readonly beta1: number;
  readonly beta2: number;
  readonly eps: number;
  readonly weightDecay: number;
  /** Of the adapters. */
  readonly scale: number;
}

function startTraining(tf: Tf, training: PeerTraining, constants: Constants): Peer {
  const { model, learningRate, images, labels } = training;
  const { beta1, beta2, eps, weightDecay, scale } = constants;
  const frozen = tensorsOf(tf, training.weights);
  const variables = new Map(
    [...tensorsOf(tf, training.parameters)].map(([name, value]) => [name, tf.variable(value, true, name)]),
  );
  const adam = tf.train.adam(learningRate, beta1, beta2, eps);
  const lookUp = (from: ReadonlyMap<string, tfjs.Tensor>) => (name: string) => from.get(name)!;
  const classes = variables.get('head.bias')!.size;
  const trained = [...variables.values()];

  const loss = () => {
    const batch = tf.tensor(images.data as Float32Array, [...images.shape]);
    const target = tf.oneHot(tf.tensor1d(labels.data as Int32Array, 'int32'), classes);
    const logits = usualVit(tf, batch, { model, frozen: lookUp(frozen), trained: lookUp(variables), scale });
    return tf.losses.softmaxCrossEntropy(target, logits).asScalar();
  };
  return {
    async step() {
      const { value, grads } = tf.variableGrads(loss, trained);
      tf.tidy(() => {
        for (const variable of trained) variable.assign(tf.mul(variable, 1 - learningRate * weightDecay));
      });
      adam.applyGradients(Object.entries(grads).map(([name, tensor]) => ({ name, tensor })));
      // The last value that the step writes: to read it waits for all of it.
      const [[result]] = await Promise.all([value.data(), trained.at(-1)!.data()]);
      tf.dispose(grads);
      value.dispose();
      return result!;
    },
    async dispose() {
      adam.dispose();
      for (const tensor of [...frozen.values(), ...variables.values()]) tensor.dispose();
    },
  };
}

/** Matrices with their axes exchanged: tfjs multiplies by `[in, out]`. Names of variables are the suite's. */
function tensorsOf(tf: Tf, values: Weights): Map<string, tfjs.Tensor> {
  return new Map([...values].map(([name, value]) => [name, tensorOf(tf, value)]));
}

function tensorOf(tf: Tf, { shape, data }: HostTensor): tfjs.Tensor {
  return tf.tidy(() => {
    const value = tf.tensor(Float32Array.from(data), [...shape], 'float32');
    if (shape.length === 2) return tf.transpose(value);
    // The convolution that cuts patches, as a matrix.
    return shape.length === 4 ? tf.transpose(tf.reshape(value, [shape[0]!, -1])) : value;
  });
}
