import type { HostTensor, Weights } from '@kora-bench/core/graph';
import { truncatedSvd } from '@kora-bench/core/linear-algebra';
import type { InitializeContext } from '@kora-bench/core/peft';
import { addProduct, rowsOfLayer } from './merge.js';
import type { LoraOptions } from './options.js';
import { adaptedLayers, matrixA, matrixB } from './parameters.js';

/**
 * PiSSA's start (Meng et al. 2024, arXiv:2404.02948): with U·S·Vᵀ the r largest singular triplets of the weight,
 * A = √(S/scale)·Vᵀ and B = U·√(S/scale), and the frozen weight is the residual W − scale·B·A.
 */
export function pissaStart({
  model,
  options,
  weights,
}: Pick<InitializeContext<LoraOptions>, 'model' | 'options' | 'weights'>): Weights {
  const start = new Map<string, HostTensor>();
  for (const layer of adaptedLayers(model, options)) {
    const { name, inFeatures, outFeatures, rank, scale } = layer;
    const weight = rowsOfLayer(start, weights, layer);
    const { values, left, right } = truncatedSvd(weight, outFeatures, inFeatures, rank);
    const a: HostTensor = {
      dtype: 'f32',
      shape: [rank, inFeatures],
      data: new Float32Array(rank * inFeatures),
    };
    const b: HostTensor = {
      dtype: 'f32',
      shape: [outFeatures, rank],
      data: new Float32Array(outFeatures * rank),
    };
    values.forEach((value, k) => {
      const root = Math.sqrt(value / scale);
      right[k]!.forEach((x, column) => {
        a.data[k * inFeatures + column] = root * x;
      });
      left[k]!.forEach((x, row) => {
        b.data[row * rank + k] = root * x;
      });
    });
    addProduct(weight, { a, b, factor: -scale });
    start.set(`${name}.${matrixA}`, a).set(`${name}.${matrixB}`, b);
  }
  return start;
}
