import { gradients } from '@kora-bench/core/autodiff';
import type { HostTensor, Shape, Tensor } from '@kora-bench/core/graph';
import { GraphBuilder, hostTensor, sizeOf } from '@kora-bench/core/graph';
import {
  add,
  crossEntropy,
  gelu,
  layerNorm,
  linear,
  mean,
  mul,
  narrow,
  reshape,
  scaledDotProductAttention,
  sub,
  sum,
  transpose,
} from '@kora-bench/core/ops';
import { makeProgram, rewriteProgram, simplify } from '@kora-bench/core/passes';
import { randomStream } from '@kora-bench/core/random';
import type { OptimizerConfig } from '@kora-bench/core/training';
import {
  layoutParameters,
  optimizerFeeds,
  optimizerStates,
  optimizerUpdate,
  packGradients,
  unpackParameters,
} from '@kora-bench/core/training';
import type { Training, TrainingCase } from './training-case.js';

const adamw: OptimizerConfig = { kind: 'adamw', beta1: 0.9, beta2: 0.999, eps: 1e-8, weightDecay: 0.01 };
const sgd: OptimizerConfig = { kind: 'sgd', momentum: 0.9, weightDecay: 1e-3 };

interface Model {
  readonly name: string;
  readonly optimizer: OptimizerConfig;
  readonly learningRate: number;
  /** Shape of the feed `x` and number of classes of the feed `labels`; 0 for regression on `target`. */
  readonly input: Shape;
  readonly classes: number;
  readonly trainable: Readonly<Record<string, Shape>>;
  readonly frozen: Readonly<Record<string, Shape>>;
  /** Logits `[B, classes]`, or a prediction of the input's shape. */
  predict(x: Tensor, weight: (name: string) => Tensor): Tensor;
}

/** Batch 8, 13 inputs, 32 hidden units, 5 classes. */
const mlp = (name: string, optimizer: OptimizerConfig, learningRate: number): Model => ({
  name,
  optimizer,
  learningRate,
  input: [8, 13],
  classes: 5,
  trainable: { w1: [32, 13], b1: [32], w2: [5, 32], b2: [5] },
  frozen: {},
  predict: (x, weight) => linear(gelu(linear(x, weight('w1'), weight('b1'))), weight('w2'), weight('b2')),
});

/** A pre-norm attention block with a low-rank adapter on a frozen qkv; B 3, N 7, D 12, 3 heads. */
const attentionBlock: Model = {
  name: 'a pre-norm attention block with a low-rank adapter, AdamW',
  optimizer: adamw,
  learningRate: 1e-3,
  input: [3, 7, 12],
  classes: 4,
  trainable: { gamma: [12], beta: [12], down: [2, 12], up: [36, 2], head: [4, 12] },
  frozen: { qkv: [36, 12], qkvBias: [36], projection: [12, 12] },
  predict(x, weight) {
    const normalized = layerNorm(x, weight('gamma'), weight('beta'), 1e-6);
    const adapted = linear(linear(normalized, weight('down')), weight('up'));
    const qkv = add(linear(normalized, weight('qkv'), weight('qkvBias')), adapted);
    const heads = transpose(reshape(qkv, [3, 7, 3, 3, 4]), [2, 0, 3, 1, 4]);
    const part = (i: number) => reshape(narrow(heads, 0, i, i + 1), [3, 3, 7, 4]);
    const mixed = scaledDotProductAttention(part(0), part(1), part(2), 0.5);
    const joined = reshape(transpose(mixed, [0, 2, 1, 3]), [3, 7, 12]);
    const out = add(x, linear(joined, weight('projection')));
    return linear(mean(out, { axes: [1] }), weight('head'));
  },
};

const regression: Model = {
  name: 'a linear autoencoder, SGD with momentum',
  optimizer: sgd,
  learningRate: 0.05,
  input: [17, 9],
  classes: 0,
  trainable: { encode: [3, 9], decode: [9, 3] },
  frozen: {},
  predict: (x, weight) => linear(linear(x, weight('encode')), weight('decode')),
};

export const toyTrainingCases: readonly TrainingCase[] = [
  mlp('an MLP classifier, AdamW', adamw, 1e-3),
  mlp('an MLP classifier, SGD', { kind: 'sgd', momentum: 0, weightDecay: 0 }, 0.1),
  attentionBlock,
  regression,
].map((model) => ({ name: model.name, build: () => buildTraining(model) }));

function buildTraining(model: Model): Training {
  const { optimizer, learningRate, input, classes, trainable, frozen } = model;
  const layout = layoutParameters(Object.entries(trainable).map(([name, shape]) => ({ name, shape })));
  const builder = new GraphBuilder();
  const parameters = builder.state('parameters', [layout.length]);
  const unpacked = unpackParameters(parameters, layout);
  const prediction = model.predict(
    builder.feed('x', input),
    (name) => unpacked.get(name) ?? builder.frozen(name, frozen[name]!),
  );
  const loss = mean(lossOf(builder, prediction, classes));
  const found = gradients(
    loss,
    layout.entries.map(({ name }) => unpacked.get(name)!),
  );
  const updates = optimizerUpdate(optimizer, parameters, packGradients(found, layout, parameters));
  const zeros = hostTensor([layout.length], new Float32Array(layout.length));
  return {
    program: rewriteProgram(makeProgram({ loss }, updates), simplify),
    weights: new Map(
      Object.entries(frozen).map(([name, shape]) => [
        name,
        normalTensor(`${model.name}/${name}`, shape, 0.3),
      ]),
    ),
    state: {
      parameters: normalTensor(`${model.name}/parameters`, [layout.length], 0.3),
      ...Object.fromEntries(optimizerStates(optimizer).map((name) => [name, zeros])),
    },
    feeds(step) {
      const random = randomStream(step, `${model.name}/labels`);
      const labels = Int32Array.from({ length: input[0]! }, () => random.uniformInt(Math.max(classes, 1)));
      return {
        ...optimizerFeeds(optimizer, step, learningRate),
        x: normalTensor(`${model.name}/x`, input, 1, step),
        ...(classes === 0 ? {} : { labels: hostTensor([input[0]!], labels) }),
      };
    },
  };
}

function lossOf(builder: GraphBuilder, prediction: Tensor, classes: number): Tensor {
  if (classes > 0)
    return crossEntropy(prediction, builder.feed('labels', [prediction.shape[0]!], 'i32'), 0.1);
  const difference = sub(prediction, builder.feed('x', prediction.shape));
  return sum(mul(difference, difference), { axes: [1] });
}

/** Normal numbers rounded to float32, so that all backends start alike. */
function normalTensor(label: string, shape: Shape, std: number, seed = 0): HostTensor {
  const random = randomStream(seed, label);
  return hostTensor(
    shape,
    Float32Array.from({ length: sizeOf(shape) }, () => std * random.normal()),
  );
}
