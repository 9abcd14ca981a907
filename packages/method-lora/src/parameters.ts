import type { Architecture } from '@kora-bench/core/nn';
import type { LinearSite, ParameterSpec } from '@kora-bench/core/peft';
import { linearInit, requireRank, targetLayers } from '@kora-bench/core/peft';
import type { LoraOptions } from './options.js';

/** The names of an adapter's two matrices, as peft ends them. */
export const matrixA = 'lora_A.weight';
export const matrixB = 'lora_B.weight';

/** Prefix of the adapter on the checkpoint's own classifier. */
export const unusedClassifier = 'unused_classifier';

/**
 * The adapted layers of every block, in the order of the forward pass.
 * @throws InputError for a rank that is larger than a layer
 */
export function adaptedLayers(
  model: Architecture,
  { targets, rank }: Pick<LoraOptions, 'targets' | 'rank'>,
): LinearSite[] {
  const layers = targetLayers(model, targets);
  requireRank(rank, layers);
  return layers;
}

/** A `[r, in]`, Kaiming-uniform with a = √5, and B `[out, r]`, zero, per adapted layer (Hu et al. 2022). */
export function loraParameters(model: Architecture, options: LoraOptions): ParameterSpec[] {
  const { rank, loraPlus } = options;
  const faster = loraPlus === 1 ? {} : { update: { learningRate: loraPlus } };
  const pair = (name: string, inFeatures: number, outFeatures: number): ParameterSpec[] => [
    { name: `${name}.${matrixA}`, shape: [rank, inFeatures], init: linearInit },
    { name: `${name}.${matrixB}`, shape: [outFeatures, rank], init: { kind: 'zeros' }, ...faster },
  ];
  const used = adaptedLayers(model, options).flatMap((layer) =>
    pair(layer.name, layer.inFeatures, layer.outFeatures),
  );
  return options.includeUnusedClassifier && model.numClasses > 0
    ? [...used, ...pair(unusedClassifier, model.featureWidth, model.numClasses)]
    : used;
}
