import { sizeOf } from '../graph/shape.js';
import type { Tensor } from '../tensor/tensor.js';
import { alongRows, rowMap } from './axis-rules.js';
import type { CompositeDefinition } from './definition.js';
import { div, exp, mul, sub } from './elementwise.js';
import { storageFor } from './evaluation.js';
import { max, sum } from './reduce.js';
import { requireDType, requireShape } from './requirements.js';

const last = { axes: [-1], keepDims: true };

export const softmaxDefinition: CompositeDefinition<'softmax'> = {
  ...alongRows,
  narrow: rowMap.narrow,
  infer(_op, [x]) {
    requireDType('softmax', 'f32', x!);
    requireShape(x!.rank >= 1, 'softmax works along the last axis.', 'rank 1 or more', x!);
    return { shape: x!.shape, dtype: 'f32' };
  },
  evaluate(_op, [x], output) {
    const width = output.shape.at(-1)!;
    const data = storageFor('f32', sizeOf(output.shape));
    for (let start = 0; start < data.length; start += width) {
      let largest = -Infinity;
      for (let j = 0; j < width; j++) largest = Math.max(largest, x!.data[start + j]!);
      let total = 0;
      for (let j = 0; j < width; j++) total += data[start + j] = Math.exp(x!.data[start + j]! - largest);
      for (let j = 0; j < width; j++) data[start + j]! /= total;
    }
    return { ...output, data };
  },
  gradient: (_op, { output, dy }) => [softmaxGrad(output, dy)],
  lower(_op, [x]) {
    const powers = exp(sub(x!, max(x!, last)));
    return div(powers, sum(powers, last));
  },
  flops: (_op, _inputs, output) => 5 * sizeOf(output.shape),
};

export const softmaxGradDefinition: CompositeDefinition<'softmaxGrad'> = {
  ...alongRows,
  infer(_op, [y, dy]) {
    requireDType('softmaxGrad', 'f32', y!, dy!);
    return { shape: y!.shape, dtype: 'f32' };
  },
  evaluate(_op, [y, dy], output) {
    const width = output.shape.at(-1)!;
    const data = storageFor('f32', sizeOf(output.shape));
    for (let start = 0; start < data.length; start += width) {
      let dot = 0;
      for (let j = 0; j < width; j++) dot += y!.data[start + j]! * dy!.data[start + j]!;
      for (let j = 0; j < width; j++) data[start + j] = y!.data[start + j]! * (dy!.data[start + j]! - dot);
    }
    return { ...output, data };
  },
  lower(_op, [y, dy]) {
    return mul(y!, sub(dy!, sum(mul(y!, dy!), last)));
  },
  flops: (_op, _inputs, output) => 4 * sizeOf(output.shape),
};

/** Softmax along the last axis. */
export function softmax(x: Tensor): Tensor {
  return x.builder.emit({ kind: 'softmax' }, [x]);
}

/** The adjoint of softmax's argument from its result `y` and the result's adjoint: `y·(dy − Σ y·dy)`. */
export function softmaxGrad(y: Tensor, dy: Tensor): Tensor {
  return y.builder.emit({ kind: 'softmaxGrad' }, [y, dy]);
}
