import type { Architecture, SiteSpec } from '@kora-bench/core/nn';
import { requireSites } from '@kora-bench/core/nn';
import type { ParameterSpec } from '@kora-bench/core/peft';
import { linearInit } from '@kora-bench/core/peft';
import type { LoraOptions } from './options.js';
import { allLinear } from './options.js';

/** The names of an adapter's two matrices, as peft ends them. */
export const matrixA = 'lora_A.weight';
export const matrixB = 'lora_B.weight';

/** Prefix of the adapter on the checkpoint's own classifier. */
export const unusedClassifier = 'unused_classifier';

/** The adapted layers of every block, in the order of the forward pass. */
export function adaptedLayers(model: Architecture, { targets }: LoraOptions): SiteSpec[] {
  return requireSites(model, targets === 'all-linear' ? allLinear : targets);
}

/** A `[r, in]`, Kaiming-uniform with a = √5, and B `[out, r]`, zero, per adapted layer (Hu et al. 2022). */
export function loraParameters(model: Architecture, options: LoraOptions): ParameterSpec[] {
  const pair = (name: string, inFeatures: number, outFeatures: number): ParameterSpec[] => [
    { name: `${name}.${matrixA}`, shape: [options.rank, inFeatures], init: linearInit },
    { name: `${name}.${matrixB}`, shape: [outFeatures, options.rank], init: { kind: 'zeros' } },
  ];
  const used = adaptedLayers(model, options).flatMap((layer) =>
    pair(layer.name, layer.inFeatures, layer.outFeatures),
  );
  return options.includeUnusedClassifier && model.numClasses > 0
    ? [...used, ...pair(unusedClassifier, model.featureWidth, model.numClasses)]
    : used;
}
