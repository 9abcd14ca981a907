import type { GraphNode } from '../graph/graph.js';
import { concat, narrow, slice } from '../ops/slicing.js';
import type { Tensor } from '../tensor/tensor.js';
import { inputsOf, nodeOf } from './rewrite.js';

/**
 * A slice of a slice is one slice, and neighbouring slices of one value joined again are one slice: the
 * parts that a value was cut into vanish where they are put together in order.
 * @returns the simpler form, or `undefined` where `node` is neither
 */
export function joinSlices(node: GraphNode, inputs: readonly Tensor[]): Tensor | undefined {
  if (node.op.kind === 'slice') return sliceOfSlice(node.op.starts, node.op.ends, inputs[0]!);
  return node.op.kind === 'concat' ? joinNeighbours(inputs, node.op.axis) : undefined;
}

function sliceOfSlice(starts: readonly number[], ends: readonly number[], x: Tensor): Tensor | undefined {
  const { op } = nodeOf(x);
  if (op.kind !== 'slice') return undefined;
  const shifted = (bounds: readonly number[]) => bounds.map((bound, axis) => bound + op.starts[axis]!);
  return slice(inputsOf(x)[0]!, shifted(starts), shifted(ends));
}

function joinNeighbours(inputs: readonly Tensor[], axis: number): Tensor | undefined {
  const runs: Run[] = [];
  for (const input of inputs) {
    const cut = cutAlong(input, axis);
    const last = runs.at(-1)?.cut;
    if (cut !== undefined && last !== undefined && last.of.id === cut.of.id && last.end === cut.start)
      runs[runs.length - 1] = { cut: { of: cut.of, start: last.start, end: cut.end } };
    else runs.push({ first: input, cut });
  }
  if (runs.length === inputs.length) return undefined;
  const joined = runs.map(({ first, cut }) => first ?? narrow(cut!.of, axis, cut!.start, cut!.end));
  return concat(joined, axis);
}

/** Neighbouring parts; `first` while it is only one. */
interface Run {
  readonly first?: Tensor;
  readonly cut: Cut | undefined;
}

interface Cut {
  readonly of: Tensor;
  readonly start: number;
  readonly end: number;
}

/** What a slice along `axis` alone is a part of, and which part. */
function cutAlong(tensor: Tensor, axis: number): Cut | undefined {
  const { op } = nodeOf(tensor);
  if (op.kind !== 'slice') return undefined;
  const of = inputsOf(tensor)[0]!;
  const others = of.shape.every((extent, i) => i === axis || (op.starts[i] === 0 && op.ends[i] === extent));
  return others ? { of, start: op.starts[axis]!, end: op.ends[axis]! } : undefined;
}
