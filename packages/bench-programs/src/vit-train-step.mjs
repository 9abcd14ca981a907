import {
  buildTrainProgram,
  classificationTask,
  defaultAdamW,
  initialValue,
  modelParameters,
  optimizerFeeds,
  optimizerStates,
  sizeOf,
  sourcesOf,
} from '@kora-bench/core';
import { methods } from './methods.mjs';
import { normalValues } from './normal-values.mjs';

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

/**
 * A training step of a ViT with a linear head, cross-entropy and AdamW. What trains beside the head is the
 * method's: `lora` (scale 1, no dropout), `full` or `linear-probe`.
 * @returns the program with its layout of trainable parameters, random frozen weights, start state and the
 *   feeds of step `step` (from 0)
 */
export function vitTrainStep(
  batchSize,
  { method: name = 'lora', model = vitTiny, rank = 8, classes = 100, learningRate = 1e-3 } = {},
) {
  const { definition, trainsBackbone } = methods[name];
  const method = { definition, options: name === 'lora' ? { rank } : {} };
  const task = classificationTask(classes);
  const spec = {
    model,
    method,
    task,
    batchSize,
    stage: 'all',
    trains: ({ owner }) => trainsBackbone || owner !== 'backbone',
    optimizer: defaultAdamW,
  };
  const { program, layout } = buildTrainProgram(spec);
  const normal = normalValues(0, 'bench');
  const backbone = (weight, shape) => {
    const norm = /norm\d?\.weight$/.test(weight);
    return normal(sizeOf(shape), norm ? 0.1 : 0.05, norm ? 1 : 0);
  };
  const weights = new Map(
    sourcesOf(program, 'frozen').map(({ name: weight, node: { shape } }) => [
      weight,
      { dtype: 'f32', shape, data: backbone(weight, shape) },
    ]),
  );
  const parameters = new Float32Array(layout.length);
  const specs = new Map(modelParameters(model, method, task).map((parameter) => [parameter.name, parameter]));
  for (const entry of layout.entries) {
    const parameter = specs.get(entry.name);
    const start =
      parameter.owner === 'backbone' ? backbone(entry.name, entry.shape) : initialValue(parameter, 0);
    parameters.set(start, entry.offset);
  }
  const flat = (data) => ({ dtype: 'f32', shape: [layout.length], data });
  const state = { parameters: flat(parameters) };
  for (const moment of optimizerStates(defaultAdamW)) state[moment] = flat(new Float32Array(layout.length));
  const shape = [batchSize, 3, ...model.imageSize];
  const images = { dtype: 'f32', shape, data: normal(sizeOf(shape), 1) };
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
  const feeds = (step) => ({
    images,
    labels,
    exampleWeight,
    ...optimizerFeeds(defaultAdamW, step, learningRate),
  });
  return { program, layout, weights, state, feeds };
}

/** The step with low-rank adapters, which most benches time. */
export function vitLoraStep(batchSize, options) {
  return vitTrainStep(batchSize, { ...options, method: 'lora' });
}
