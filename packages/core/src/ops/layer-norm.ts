import { sizeOf } from '../graph/shape.js';
import type { HostTensor } from '../tensor/host-tensor.js';
import type { Tensor } from '../tensor/tensor.js';
import { rowMap } from './axis-rules.js';
import type { CompositeDefinition } from './definition.js';
import { add, mul, reciprocal, sqrt, sub } from './elementwise.js';
import { fill, storageFor } from './evaluation.js';
import { mean, sumTo } from './reduce.js';
import { requireDType, requireShape } from './requirements.js';
import { constant } from './sources.js';

/*
 * Layer normalisation over the last axis (Ba, Kiros & Hinton 2016):
 * y = x̂·γ + β with x̂ = (x − mean)/√(variance + eps), the variance without Bessel's correction.
 * Adjoint of x, with g = dy·γ:  (g − mean(g) − x̂·mean(g·x̂)) / √(variance + eps).
 */

/** x̂, which the gradient of γ reads. */
export const standardizeDefinition: CompositeDefinition<'standardize'> = {
  ...rowMap,
  infer(_op, [x]) {
    requireDType('standardize', 'f32', x!);
    requireShape(x!.rank >= 1, 'standardize needs rows.', 'at least one axis', x!);
    return { shape: x!.shape, dtype: 'f32' };
  },
  evaluate(op, [x], output) {
    const { normalized } = normalize(x!, x!.shape.at(-1)!, op.eps);
    return fill(output, (i) => normalized[i]!);
  },
  gradient(op, { inputs, dy }) {
    const x = inputs[0]!;
    const ones = constant(x.builder, new Float64Array(x.shape.at(-1)!).fill(1));
    return [x.builder.emit({ kind: 'layerNormGrad', eps: op.eps }, [x, ones, dy])];
  },
  lower: (op, [x]) => standardized(x!, op.eps).normalized,
  flops: (_op, _inputs, output) => 6 * sizeOf(output.shape),
};

export const layerNormDefinition: CompositeDefinition<'layerNorm'> = {
  ...rowMap,
  infer(_op, [x, gamma, beta]) {
    requireDType('layerNorm', 'f32', x!, gamma!, beta!);
    requireAffine(x!, gamma!);
    requireAffine(x!, beta!);
    return { shape: x!.shape, dtype: 'f32' };
  },
  evaluate(op, [x, gamma, beta], output) {
    const width = gamma!.data.length;
    const { normalized } = normalize(x!, width, op.eps);
    return fill(output, (i) => normalized[i]! * gamma!.data[i % width]! + beta!.data[i % width]!);
  },
  gradient(op, { inputs, dy, needs }) {
    const [x, gamma, beta] = [inputs[0]!, inputs[1]!, inputs[2]!];
    return [
      needs(0) ? x.builder.emit({ kind: 'layerNormGrad', eps: op.eps }, [x, gamma, dy]) : undefined,
      needs(1) ? sumTo(mul(dy, standardize(x, op.eps)), gamma.shape) : undefined,
      needs(2) ? sumTo(dy, beta.shape) : undefined,
    ];
  },
  lower(op, [x, gamma, beta]) {
    return add(mul(standardized(x!, op.eps).normalized, gamma!), beta!);
  },
  flops: (_op, _inputs, output) => 8 * sizeOf(output.shape),
};

export const layerNormGradDefinition: CompositeDefinition<'layerNormGrad'> = {
  blockRule: (_op, { cut, output }) =>
    output.shape.length > 1 && !cut[1] ? { kind: 'blocks', cut: [true, false, true] } : undefined,
  infer(_op, [x, gamma]) {
    requireAffine(x!, gamma!);
    return { shape: x!.shape, dtype: 'f32' };
  },
  evaluate(op, [x, gamma, dy], output) {
    const width = gamma!.data.length;
    const { normalized, inverse } = normalize(x!, width, op.eps);
    const data = storageFor('f32', sizeOf(output.shape));
    for (let row = 0; row < inverse.length; row++) {
      let meanG = 0;
      let meanGX = 0;
      for (let j = 0; j < width; j++) {
        const g = dy!.data[row * width + j]! * gamma!.data[j]!;
        meanG += g / width;
        meanGX += (g * normalized[row * width + j]!) / width;
      }
      for (let j = 0; j < width; j++) {
        const i = row * width + j;
        data[i] = (dy!.data[i]! * gamma!.data[j]! - meanG - normalized[i]! * meanGX) * inverse[row]!;
      }
    }
    return { ...output, data };
  },
  lower(op, [x, gamma, dy]) {
    const { normalized, inverse } = standardized(x!, op.eps);
    const g = mul(dy!, gamma!);
    const last = { axes: [-1], keepDims: true };
    const centred = sub(sub(g, mean(g, last)), mul(normalized, mean(mul(g, normalized), last)));
    return mul(centred, inverse);
  },
  flops: (_op, _inputs, output) => 14 * sizeOf(output.shape),
};

function requireAffine(x: Tensor, parameter: Tensor): void {
  const fits = x.rank >= 1 && parameter.rank === 1 && parameter.shape[0] === x.shape.at(-1);
  requireShape(
    fits,
    'layerNorm cannot apply this parameter.',
    'one element per element of the last axis',
    x,
    parameter,
  );
}

function standardized(x: Tensor, eps: number): { normalized: Tensor; inverse: Tensor } {
  const last = { axes: [-1], keepDims: true };
  const centred = sub(x, mean(x, last));
  const inverse = reciprocal(sqrt(add(mean(mul(centred, centred), last), eps)));
  return { normalized: mul(centred, inverse), inverse };
}

function normalize(
  x: HostTensor,
  width: number,
  eps: number,
): { normalized: Float64Array; inverse: Float64Array } {
  const rows = x.data.length / width;
  const normalized = new Float64Array(x.data.length);
  const inverse = new Float64Array(rows);
  for (let row = 0; row < rows; row++) {
    const values = x.data.subarray(row * width, (row + 1) * width);
    let average = 0;
    for (const value of values) average += value / width;
    let variance = 0;
    for (const value of values) variance += (value - average) ** 2 / width;
    inverse[row] = 1 / Math.sqrt(variance + eps);
    for (let j = 0; j < width; j++) normalized[row * width + j] = (values[j]! - average) * inverse[row]!;
  }
  return { normalized, inverse };
}

/** The last axis of `x` `[…, D]` less its mean, over the root of its variance plus `eps`. */
export function standardize(x: Tensor, eps: number): Tensor {
  return x.builder.emit({ kind: 'standardize', eps }, [x]);
}

/** Normalises the last axis of `x` `[…, D]`, then scales by `gamma` `[D]` and shifts by `beta` `[D]`. */
export function layerNorm(x: Tensor, gamma: Tensor, beta: Tensor, eps: number): Tensor {
  return x.builder.emit({ kind: 'layerNorm', eps }, [x, gamma, beta]);
}
