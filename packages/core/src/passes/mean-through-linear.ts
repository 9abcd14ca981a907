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

/**
 * mean(x, axes) pushed as far down as it goes, or `undefined` if it cannot move at all. The pooled axes are
 * gone in the result: axes of extent 1 would only need a reshape in front of every gradient's product.
 */
function pool(x: Tensor, axes: readonly number[]): Tensor | undefined {
  const { op } = nodeOf(x);
  const [left, right, bias] = inputsOf(x);
  const here = (y: Tensor) => pool(y, axes) ?? mean(y, { axes });
  if (op.kind === 'linear' && left!.rank === x.rank) return linear(here(left!), right!, bias);
  if (op.kind === 'matmul') {
    const rowsAlone = !op.transposeA && right!.rank === 2 && left!.rank === x.rank;
    return rowsAlone && x.rank - axes.length >= 2
      ? matmul(here(left!), right!, { transposeB: op.transposeB })
      : undefined;
  }
  if (op.kind !== 'binary') return undefined;
  const constantAlong = (y: Tensor) => axes.every((axis) => (y.shape[axis - (x.rank - y.rank)] ?? 1) === 1);
  const dropped = (y: Tensor) =>
    reshape(
      y,
      y.shape.filter((_, i) => !axes.includes(i + x.rank - y.rank)),
    );
  if (op.fn === 'add' || op.fn === 'sub') {
    const [a, b] = [left!, right!].map((side) => {
      if (constantAlong(side)) return dropped(side);
      return side.rank === x.rank && axes.every((axis) => side.shape[axis] === x.shape[axis])
        ? here(side)
        : undefined;
    });
    if (a === undefined || b === undefined) return undefined;
    return op.fn === 'add' ? add(a, b) : sub(a, b);
  }
  if (op.fn === 'mul') {
    if (constantAlong(right!) && left!.rank === x.rank) return mul(here(left!), dropped(right!));
    if (constantAlong(left!) && right!.rank === x.rank) return mul(dropped(left!), here(right!));
  }
  return undefined;
}
