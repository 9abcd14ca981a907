import type { GraphNode } from '../graph/graph.js';
import { add, mul, sub } from '../ops/elementwise.js';
import { reshape } from '../ops/layout.js';
import { linear } from '../ops/linear.js';
import { matmul } from '../ops/matmul.js';
import { mean } from '../ops/reduce.js';
import type { Tensor } from '../tensor/tensor.js';
import { inputsOf, nodeOf } from './rewrite.js';

/**
 * A mean over axes other than the last commutes with every map that acts on the last axis alone:
 * mean(x·Wᵀ + b) = mean(x)·Wᵀ + b. Pooling first turns work on N tokens into work on one vector.
 * @returns the pooled-first form of a mean, or `undefined` where `node` is not such a mean.
 */
export function meanThroughLinear(node: GraphNode, inputs: readonly Tensor[]): Tensor | undefined {
  const { op } = node;
  if (op.kind !== 'reduce' || op.fn !== 'mean') return undefined;
  const x = inputs[0]!;
  if (op.axes.includes(x.rank - 1)) return undefined;
  const pooled = pool(x, op.axes);
  return pooled === undefined ? undefined : reshape(pooled, node.shape);
}

/** mean(x, axes, keepDims) pushed as far down as it goes, or `undefined` if it cannot move at all. */
function pool(x: Tensor, axes: readonly number[]): Tensor | undefined {
  const { op } = nodeOf(x);
  const inputs = inputsOf(x);
  const here = (y: Tensor) => pool(y, axes) ?? mean(y, { axes, keepDims: true });
  const spansNone = (y: Tensor) => axes.every((axis) => (y.shape[axis - (x.rank - y.rank)] ?? 1) === 1);

  if (op.kind === 'linear' && inputs[0]!.rank === x.rank) {
    return linear(here(inputs[0]!), inputs[1]!, inputs[2]);
  }
  if (
    op.kind === 'matmul' &&
    !op.transposeA &&
    inputs[1]!.rank === 2 &&
    inputs[0]!.rank === x.rank &&
    !axes.includes(x.rank - 1)
  ) {
    return matmul(here(inputs[0]!), inputs[1]!, { transposeB: op.transposeB });
  }
  if (op.kind === 'binary' && (op.fn === 'add' || op.fn === 'sub')) {
    const sides = inputs.map((input) => {
      if (spansNone(input)) return input;
      return input.rank === x.rank && axes.every((axis) => input.shape[axis] === x.shape[axis])
        ? here(input)
        : undefined;
    });
    const [left, right] = [sides[0], sides[1]];
    if (left === undefined || right === undefined) return undefined;
    return op.fn === 'add' ? add(left, right) : sub(left, right);
  }
  if (op.kind === 'binary' && op.fn === 'mul') {
    const [left, right] = [inputs[0]!, inputs[1]!];
    if (spansNone(right) && left.rank === x.rank) return mul(here(left), right);
    if (spansNone(left) && right.rank === x.rank) return mul(left, here(right));
  }
  return undefined;
}
