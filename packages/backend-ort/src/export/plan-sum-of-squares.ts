import type { GraphNode, Program } from '@kora-bench/core';
import type { Emission } from './plan-emissions.js';

/**
 * Plans a sum of squares that nothing else reads, as in the norm of a gradient: one pass over the value
 * instead of two and a copy.
 * @returns `undefined` where `node` is no such sum
 */
export function planSumOfSquares(
  program: Program,
  { op, inputs }: GraphNode,
  uses: Uint32Array,
): Emission | undefined {
  if (op.kind !== 'reduce' || op.fn !== 'sum') return undefined;
  const squares = program.nodes[inputs[0]!]!;
  const [x, y] = squares.inputs;
  if (squares.op.kind !== 'binary' || squares.op.fn !== 'mul' || x !== y || uses[squares.id] !== 1)
    return undefined;
  return {
    inputs: [x!],
    emit: (graph, [value]) =>
      graph.node('ReduceSumSquare', [value!, graph.integers(op.axes)], {
        attributes: { keepdims: { int: op.keepDims ? 1 : 0 } },
      }),
  };
}
