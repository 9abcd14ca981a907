import { sizeOf } from '../graph/shape.js';
import type { Tensor } from '../tensor/tensor.js';
import { pointwise } from './axis-rules.js';
import type { CompositeDefinition } from './definition.js';
import { add, erf, exp, mul } from './elementwise.js';
import { erf as erfOf, fill } from './evaluation.js';
import { requireDType } from './requirements.js';

/*
 * The exact Gaussian error linear unit (Hendrycks & Gimpel 2016): gelu(x) = x·Φ(x),
 * gelu′(x) = Φ(x) + x·φ(x) with the standard normal's Φ and φ.
 */

export const geluDefinition: CompositeDefinition<'gelu'> = {
  ...pointwise,
  infer(_op, [x]) {
    requireDType('gelu', 'f32', x!);
    return { shape: x!.shape, dtype: 'f32' };
  },
  evaluate: (_op, [x], output) => fill(output, (i) => x!.data[i]! * cumulative(x!.data[i]!)),
  gradient: (_op, { inputs, dy }) => [dy.builder.emit({ kind: 'geluGrad' }, [inputs[0]!, dy])],
  lower(_op, [x]) {
    return mul(x!, normalCumulative(x!));
  },
  flops: (_op, _inputs, output) => 8 * sizeOf(output.shape),
};

export const geluGradDefinition: CompositeDefinition<'geluGrad'> = {
  ...pointwise,
  infer(_op, [x, dy]) {
    requireDType('geluGrad', 'f32', x!, dy!);
    return { shape: x!.shape, dtype: 'f32' };
  },
  evaluate: (_op, [x, dy], output) =>
    fill(output, (i) => {
      const value = x!.data[i]!;
      return dy!.data[i]! * (cumulative(value) + value * Math.exp(-0.5 * value * value) * invSqrt2Pi);
    }),
  lower(_op, [x, dy]) {
    const density = mul(exp(mul(mul(x!, x!), -0.5)), invSqrt2Pi);
    return mul(dy!, add(normalCumulative(x!), mul(x!, density)));
  },
  flops: (_op, _inputs, output) => 14 * sizeOf(output.shape),
};

const invSqrt2Pi = 1 / Math.sqrt(2 * Math.PI);

function cumulative(x: number): number {
  return 0.5 * (1 + erfOf(x * Math.SQRT1_2));
}

function normalCumulative(x: Tensor): Tensor {
  return add(mul(erf(mul(x, Math.SQRT1_2)), 0.5), 0.5);
}

/** The exact (erf) GELU, elementwise. */
export function gelu(x: Tensor): Tensor {
  return x.builder.emit({ kind: 'gelu' }, [x]);
}
