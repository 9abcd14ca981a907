import {
  add,
  buildTrainProgram,
  classificationTask,
  defaultAdamW,
  initialValue,
  lowRankDelta,
  modelParameters,
  optimizerFeeds,
  optimizerStates,
  randomStream,
  sizeOf,
  sourcesOf,
} from '@kora-bench/core';
import { z } from 'zod';

/** ViT-Tiny/16 at 224. */
export const vitTiny = {
  name: 'vit_tiny_patch16_224',
  imageSize: [224, 224],
  patchSize: 16,
  width: 192,
  depth: 12,
  heads: 3,
  mlpWidth: 768,
  numClasses: 0,
  layerNormEps: 1e-6,
};

const layers = ['attn.qkv', 'attn.proj', 'mlp.fc1', 'mlp.fc2'];

/** Low-rank adapters on all linear layers. */
const lora = {
  name: 'lora',
  description: 'low-rank adapters on all linear layers',
  source: 'Hu et al. 2022',
  options: z.strictObject({ rank: z.int() }),
  parameters({ depth, width, mlpWidth }, { rank }) {
    const extents = {
      'attn.qkv': [width, 3 * width],
      'attn.proj': [width, width],
      'mlp.fc1': [width, mlpWidth],
      'mlp.fc2': [mlpWidth, width],
    };
    return Array.from({ length: depth }, (_, block) =>
      layers.map((layer) => ({ layer, name: `blocks.${block}.${layer}` })),
    )
      .flat()
      .flatMap(({ layer, name }) => [
        { name: `${name}.lora_A`, shape: [rank, extents[layer][0]], init: { kind: 'normal', std: 0.05 } },
        { name: `${name}.lora_B`, shape: [extents[layer][1], rank], init: { kind: 'normal', std: 0.05 } },
      ]);
  },
  attach:
    ({ parameter }) =>
    (site) =>
      layers.includes(site.layer)
        ? add(
            site.value,
            lowRankDelta(site.input, parameter(`${site.name}.lora_A`), parameter(`${site.name}.lora_B`), 1),
          )
        : site.value,
};

/**
 * A training step of a ViT with LoRA (scale 1, no dropout) and a linear head, cross-entropy and AdamW.
 * @returns the program with its layout of trainable parameters, random frozen weights, start state and the
 *   feeds of step `step` (from 0)
 */
export function vitLoraStep(batchSize, { model = vitTiny, rank = 8, classes = 100 } = {}) {
  const method = { definition: lora, options: { rank } };
  const task = classificationTask(classes);
  const spec = {
    model,
    method,
    task,
    batchSize,
    stage: 'all',
    trains: ({ owner }) => owner !== 'backbone',
    optimizer: defaultAdamW,
  };
  const { program, layout } = buildTrainProgram(spec);
  const random = randomStream(0, 'bench');
  const normal = (shape, std, mean = 0) => ({
    dtype: 'f32',
    shape,
    data: Float32Array.from({ length: sizeOf(shape) }, () => mean + std * random.normal()),
  });
  const weights = new Map(
    sourcesOf(program, 'frozen').map(({ name, node }) => {
      const norm = /norm\d?\.weight$/.test(name);
      return [name, normal(node.shape, norm ? 0.1 : 0.05, norm ? 1 : 0)];
    }),
  );
  const parameters = new Float32Array(layout.length);
  const specs = new Map(modelParameters(model, method, task).map((parameter) => [parameter.name, parameter]));
  for (const { name, offset } of layout.entries) parameters.set(initialValue(specs.get(name), 0), offset);
  const flat = (data) => ({ dtype: 'f32', shape: [layout.length], data });
  const state = { parameters: flat(parameters) };
  for (const name of optimizerStates(defaultAdamW)) state[name] = flat(new Float32Array(layout.length));
  const images = normal([batchSize, 3, ...model.imageSize], 1);
  const labels = {
    dtype: 'i32',
    shape: [batchSize],
    data: Int32Array.from({ length: batchSize }, (_, i) => (i * 7) % classes),
  };
  const exampleWeight = {
    dtype: 'f32',
    shape: [batchSize],
    data: new Float32Array(batchSize).fill(1 / batchSize),
  };
  const feeds = (step) => ({ images, labels, exampleWeight, ...optimizerFeeds(defaultAdamW, step, 1e-3) });
  return { program, layout, weights, state, feeds };
}
