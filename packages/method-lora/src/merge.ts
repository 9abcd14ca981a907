import { InputError } from '@kora-bench/core/errors';
import type { HostTensor, Weights } from '@kora-bench/core/graph';
import type { Architecture } from '@kora-bench/core/nn';
import type { LinearSite } from '@kora-bench/core/peft';
import type { LoraOptions } from './options.js';
import { adaptedLayers, matrixA, matrixB } from './parameters.js';

/**
 * `W' = W + scale·B·A` for every adapted layer, summed in float64 and stored in float32.
 * @returns the changed weights alone, by timm's names
 * @throws InputError naming a weight or parameter that is missing
 */
export function mergeLora(
  weights: Weights,
  parameters: Weights,
  model: Architecture,
  options: LoraOptions,
): Weights {
  const merged = new Map<string, HostTensor>();
  for (const layer of adaptedLayers(model, options)) {
    const a = requireValue(parameters, `${layer.name}.${matrixA}`);
    const b = requireValue(parameters, `${layer.name}.${matrixB}`);
    addProduct(rowsOfLayer(merged, weights, layer), { a, b, factor: layer.scale });
  }
  return merged;
}

/** A layer's own rows `[out·in]` of its weight in `changed`, which is copied there from `weights` first. */
export function rowsOfLayer(
  changed: Map<string, HostTensor>,
  weights: Weights,
  { weight, rows, inFeatures, outFeatures }: LinearSite,
): Float32Array {
  const from = requireValue(weights, weight);
  const copy = changed.get(weight) ?? { ...from, data: Float32Array.from(from.data) };
  changed.set(weight, copy);
  const first = (rows?.[0] ?? 0) * inFeatures;
  return copy.data.subarray(first, first + outFeatures * inFeatures) as Float32Array;
}

/** Adds `factor·B·A`, each element summed in float64, to a weight. */
export function addProduct(
  weight: Float32Array,
  { a, b, factor }: { readonly a: HostTensor; readonly b: HostTensor; readonly factor: number },
): void {
  const [rank, inFeatures] = a.shape as [number, number];
  for (let i = 0; i < weight.length; i++) {
    const [row, column] = [Math.floor(i / inFeatures), i % inFeatures];
    let delta = 0;
    for (let k = 0; k < rank; k++) delta += b.data[row * rank + k]! * a.data[k * inFeatures + column]!;
    weight[i]! += factor * delta;
  }
}

function requireValue(values: Weights, name: string): HostTensor {
  const value = values.get(name);
  if (value === undefined) {
    throw new InputError(`There is no value of ${name} to merge.`, {
      expected: `a tensor named ${name}`,
      received: 'nothing',
      where: name,
      fix: 'Pass all weights of the backbone and all parameters of the method.',
    });
  }
  return value;
}
