import type { GraphNode } from '../graph/graph.js';
import { sameShape } from '../graph/shape.js';
import { concat, pad } from '../ops/slicing.js';
import type { Tensor } from '../tensor/tensor.js';
import { inputsOf, nodeOf } from './rewrite.js';

/**
 * The sum of two zero-padded neighbours is their concatenation, padded where still needed. Slices of one
 * value (q, k and v of a fused qkv) leave such sums behind when they are differentiated.
 * @returns the concatenation, or `undefined` where `node` is not such a sum
 */
export function joinPads(node: GraphNode, inputs: readonly Tensor[]): Tensor | undefined {
  if (node.op.kind !== 'binary' || node.op.fn !== 'add') return undefined;
  if (inputs.some((input) => !sameShape(input.shape, node.shape))) return undefined;
  const [x, y] = inputs.map(placed);
  if (x === undefined || y === undefined || x.axis !== y.axis) return undefined;
  const [first, second] = x.start < y.start ? [x, y] : [y, x];
  const { axis } = first;
  if (first.start + first.part.shape[axis]! !== second.start) return undefined;
  const joined = concat([...parts(first.part, axis), ...parts(second.part, axis)], axis);
  const before = node.shape.map((_, i) => (i === axis ? first.start : 0));
  const after = node.shape.map((extent, i) => extent - before[i]! - joined.shape[i]!);
  return pad(joined, before, after);
}

interface Placed {
  readonly part: Tensor;
  readonly axis: number;
  readonly start: number;
}

/** A pad along exactly one axis: what is padded, and where it starts. */
function placed(tensor: Tensor): Placed | undefined {
  const { op } = nodeOf(tensor);
  if (op.kind !== 'pad') return undefined;
  const padded = op.before.flatMap((count, axis) => (count > 0 || op.after[axis]! > 0 ? [axis] : []));
  const [axis] = padded;
  if (axis === undefined || padded.length !== 1) return undefined;
  return { part: inputsOf(tensor)[0]!, axis, start: op.before[axis]! };
}

function parts(tensor: Tensor, axis: number): Tensor[] {
  const { op } = nodeOf(tensor);
  return op.kind === 'concat' && op.axis === axis ? inputsOf(tensor) : [tensor];
}
