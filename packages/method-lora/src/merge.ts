import { InputError } from '@kora-bench/core/errors';
import type { HostTensor, Weights } from '@kora-bench/core/graph';
import type { Architecture } from '@kora-bench/core/nn';
import type { LoraOptions } from './options.js';
import { scaleOf } from './options.js';
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
  const scale = scaleOf(options);
  const merged = new Map<string, HostTensor>();
  for (const { name, weight, rows, inFeatures, outFeatures } of adaptedLayers(model, options)) {
    const firstRow = rows?.[0] ?? 0;
    const a = requireValue(parameters, `${name}.${matrixA}`).data;
    const b = requireValue(parameters, `${name}.${matrixB}`).data;
    const base = merged.get(weight!) ?? copy(requireValue(weights, weight!));
    for (let row = 0; row < outFeatures; row++) {
      for (let column = 0; column < inFeatures; column++) {
        let delta = 0;
        for (let k = 0; k < options.rank; k++)
          delta += b[row * options.rank + k]! * a[k * inFeatures + column]!;
        base.data[(firstRow + row) * inFeatures + column]! += scale * delta;
      }
    }
    merged.set(weight!, base);
  }
  return merged;
}

function copy(tensor: HostTensor): HostTensor {
  return { ...tensor, data: Float32Array.from(tensor.data) };
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
