import type { VitConfig } from '@kora-bench/core/nn';
import { linearLayers } from '@kora-bench/core/nn';
import type { ParameterSpec } from '@kora-bench/core/peft';
import { linearInit } from '@kora-bench/core/peft';
import type { LoraOptions, LoraTarget } from './options.js';

/** The names of an adapter's two matrices, as peft ends them. */
export const matrixA = 'lora_A.weight';
export const matrixB = 'lora_B.weight';

/** Prefix of the adapter on the checkpoint's own classifier. */
export const unusedClassifier = 'unused_classifier';

/** One layer with an adapter. */
export interface AdaptedLayer {
  /** The site's name, e.g. `blocks.3.attn.qkv`; the prefix of the adapter's parameters. */
  readonly name: string;
  readonly inFeatures: number;
  readonly outFeatures: number;
  /** The backbone's weight that the delta belongs to, and its first row there. */
  readonly weight: string;
  readonly firstRow: number;
}

/** The adapted layers of every block, in the order of the forward pass. */
export function adaptedLayers(
  { depth, width, mlpWidth }: VitConfig,
  { targets }: LoraOptions,
): AdaptedLayer[] {
  const chosen: readonly LoraTarget[] = targets === 'all-linear' ? linearLayers : targets;
  const layer = (prefix: string, target: LoraTarget): AdaptedLayer => {
    const name = `${prefix}.${target}`;
    const whole = { name, weight: `${name}.weight`, firstRow: 0 };
    const part = { name, weight: `${prefix}.attn.qkv.weight`, inFeatures: width, outFeatures: width };
    switch (target) {
      case 'attn.qkv':
        return { ...whole, inFeatures: width, outFeatures: 3 * width };
      case 'attn.q':
        return { ...part, firstRow: 0 };
      case 'attn.k':
        return { ...part, firstRow: width };
      case 'attn.v':
        return { ...part, firstRow: 2 * width };
      case 'attn.proj':
        return { ...whole, inFeatures: width, outFeatures: width };
      case 'mlp.fc1':
        return { ...whole, inFeatures: width, outFeatures: mlpWidth };
      case 'mlp.fc2':
        return { ...whole, inFeatures: mlpWidth, outFeatures: width };
    }
  };
  return Array.from({ length: depth }, (_, block) =>
    chosen.map((target) => layer(`blocks.${block}`, target)),
  ).flat();
}

/** A `[r, in]`, Kaiming-uniform with a = √5, and B `[out, r]`, zero, per adapted layer (Hu et al. 2022). */
export function loraParameters(model: VitConfig, options: LoraOptions): ParameterSpec[] {
  const pair = (name: string, inFeatures: number, outFeatures: number): ParameterSpec[] => [
    { name: `${name}.${matrixA}`, shape: [options.rank, inFeatures], init: linearInit },
    { name: `${name}.${matrixB}`, shape: [outFeatures, options.rank], init: { kind: 'zeros' } },
  ];
  const used = adaptedLayers(model, options).flatMap((layer) =>
    pair(layer.name, layer.inFeatures, layer.outFeatures),
  );
  return options.includeUnusedClassifier && model.numClasses > 0
    ? [...used, ...pair(unusedClassifier, model.width, model.numClasses)]
    : used;
}
