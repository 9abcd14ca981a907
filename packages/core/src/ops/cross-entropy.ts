import { sizeOf } from '../graph/shape.js';
import type { HostTensor } from '../tensor/host-tensor.js';
import type { Tensor } from '../tensor/tensor.js';
import { everyOperand } from './axis-rules.js';
import type { CompositeDefinition } from './definition.js';
import { add, exp, log, mul, neg, sub } from './elementwise.js';
import { fill, storageFor } from './evaluation.js';
import { oneHot, reshape } from './layout.js';
import { max, sum } from './reduce.js';
import { requireDType, requireShape } from './requirements.js';
import { softmax } from './softmax.js';

/*
 * Cross-entropy of logits with integer labels, label smoothing as PyTorch defines it:
 * the target is (1 − s)·onehot + s/C, the loss −Σ target·logSoftmax(logits).
 */

export const crossEntropyDefinition: CompositeDefinition<'crossEntropy'> = {
  blockRule: (_op, { cut }) => everyOperand(cut),
  infer(_op, [logits, labels]) {
    requireDType('crossEntropy(logits)', 'f32', logits!);
    requireDType('crossEntropy(labels)', 'i32', labels!);
    const fits = logits!.rank === 2 && labels!.rank === 1 && logits!.shape[0] === labels!.shape[0];
    requireShape(fits, 'crossEntropy cannot pair these.', 'logits [B, C] and labels [B]', logits!, labels!);
    return { shape: labels!.shape, dtype: 'f32' };
  },
  evaluate(op, [logits, labels], output) {
    const classes = logits!.shape[1]!;
    return fill(output, (row) => {
      const logProbabilities = logSoftmaxRow(logits!, row, classes);
      let loss = 0;
      for (let c = 0; c < classes; c++)
        loss -= target(labels!.data[row]!, c, classes, op.labelSmoothing) * logProbabilities[c]!;
      return loss;
    });
  },
  gradient(op, { inputs, dy, needs }) {
    const { labelSmoothing } = op;
    return [
      needs(0) ? dy.builder.emit({ kind: 'crossEntropyGrad', labelSmoothing }, [...inputs, dy]) : undefined,
      undefined,
    ];
  },
  lower(op, [logits, labels]) {
    const last = { axes: [-1], keepDims: true };
    const shifted = sub(logits!, max(logits!, last));
    const logProbabilities = sub(shifted, log(sum(exp(shifted), last)));
    return neg(sum(mul(targets(op.labelSmoothing, logits!, labels!), logProbabilities), { axes: [-1] }));
  },
  flops: (_op, [logits]) => 8 * sizeOf(logits!.shape),
};

export const crossEntropyGradDefinition: CompositeDefinition<'crossEntropyGrad'> = {
  blockRule: (_op, { cut }) => everyOperand(cut),
  infer: (_op, [logits]) => ({ shape: logits!.shape, dtype: 'f32' }),
  evaluate(op, [logits, labels, dy], output) {
    const classes = logits!.shape[1]!;
    const data = storageFor('f32', sizeOf(output.shape));
    for (let row = 0; row < labels!.data.length; row++) {
      const logProbabilities = logSoftmaxRow(logits!, row, classes);
      for (let c = 0; c < classes; c++) {
        const difference =
          Math.exp(logProbabilities[c]!) - target(labels!.data[row]!, c, classes, op.labelSmoothing);
        data[row * classes + c] = difference * dy!.data[row]!;
      }
    }
    return { ...output, data };
  },
  lower(op, [logits, labels, dy]) {
    const difference = sub(softmax(logits!), targets(op.labelSmoothing, logits!, labels!));
    return mul(difference, reshape(dy!, [dy!.shape[0]!, 1]));
  },
  flops: (_op, [logits]) => 8 * sizeOf(logits!.shape),
};

function target(label: number, c: number, classes: number, smoothing: number): number {
  return (label === c ? 1 - smoothing : 0) + smoothing / classes;
}

function logSoftmaxRow(logits: HostTensor, row: number, classes: number): Float64Array {
  const values = Float64Array.from(logits.data.subarray(row * classes, (row + 1) * classes));
  const largest = values.reduce((a, b) => Math.max(a, b), -Infinity);
  let total = 0;
  for (const value of values) total += Math.exp(value - largest);
  return values.map((value) => value - largest - Math.log(total));
}

function targets(smoothing: number, logits: Tensor, labels: Tensor): Tensor {
  const hot = oneHot(labels, logits.shape[1]!);
  return smoothing === 0 ? hot : add(mul(hot, 1 - smoothing), smoothing / logits.shape[1]!);
}

/** Cross-entropy per example: logits `[B, C]`, labels `[B]` i32 in 0 … C−1 → `[B]`. `labelSmoothing` in [0, 1). */
export function crossEntropy(logits: Tensor, labels: Tensor, labelSmoothing = 0): Tensor {
  return logits.builder.emit({ kind: 'crossEntropy', labelSmoothing }, [logits, labels]);
}
