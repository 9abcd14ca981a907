import type { GraphNode, Program } from '../graph/graph.js';
import { sizeOf } from '../graph/shape.js';
import { mul } from '../ops/elementwise.js';
import type { Tensor } from '../tensor/tensor.js';
import { inputsOf, nodeOf, rewriteProgram } from './rewrite.js';

/**
 * Moves a multiplication by a number behind what only rearranges elements, so that it meets the matrix
 * product that can take it along for nothing, and behind sums, which leave fewer elements: op(x·s) → op(x)·s.
 */
export function floatScales(program: Program): Program {
  return rewriteProgram(program, (node, inputs, builder) => {
    const { op } = node;
    const isSum = op.kind === 'reduce' && op.fn === 'sum';
    if (op.kind !== 'reshape' && op.kind !== 'transpose' && !isSum) return undefined;
    const found = scaledBy(inputs[0]!);
    return found === undefined ? undefined : mul(builder.emit(op, [found.tensor]), found.scale);
  });
}

/** `tensor` as a tensor of the same shape times a number, where it is one. */
function scaledBy(tensor: Tensor): { readonly tensor: Tensor; readonly scale: number } | undefined {
  const { op } = nodeOf(tensor);
  if (op.kind !== 'binary' || op.fn !== 'mul') return undefined;
  const [x, y] = inputsOf(tensor);
  const right = scalarConstant(nodeOf(y!));
  if (right !== undefined && x!.rank === tensor.rank) return { tensor: x!, scale: right };
  const left = scalarConstant(nodeOf(x!));
  return left !== undefined && y!.rank === tensor.rank ? { tensor: y!, scale: left } : undefined;
}

/**
 * The number that a one-element constant holds, where multiplying by it can be moved about: 0 and what
 * is not finite stay in their place, because 0 · ∞ is not 0.
 */
export function scalarConstant({ op }: GraphNode): number | undefined {
  if (op.kind !== 'constant' || sizeOf(op.shape) !== 1) return undefined;
  const value = op.data[0]!;
  return Number.isFinite(value) && value !== 0 ? value : undefined;
}
