import type { GraphNode } from '../graph/graph.js';
import { sameShape, sizeOf } from '../graph/shape.js';
import { add, mul, sub } from '../ops/elementwise.js';
import { broadcastTo, reshape, transpose } from '../ops/layout.js';
import { linear } from '../ops/linear.js';
import { matmul } from '../ops/matmul.js';
import { mean } from '../ops/reduce.js';
import { definitionOf } from '../ops/registry.js';
import { concat, narrow, pad, slice } from '../ops/slicing.js';
import { constant, scalarValue } from '../ops/sources.js';
import type { HostTensor } from '../tensor/host-tensor.js';
import type { Tensor } from '../tensor/tensor.js';
import type { Visit } from './rewrite.js';
import { inputsOf, nodeOf } from './rewrite.js';

/** Constants above this size are not folded: the text of the graph would grow faster than it saves. */
const largestFoldedConstant = 4096;

/**
 * Local algebra that never changes a finite result beyond rounding: constants fold, neutral elements
 * and inverse layout changes vanish, sums of zero-padded parts become concatenations, neighbouring slices
 * join again, and a mean over tokens moves in front of linear maps.
 */
export const simplify: Visit = (node, inputs) =>
  foldConstant(node, inputs) ??
  dropNeutral(node, inputs) ??
  mergeLayout(node, inputs) ??
  joinPads(node, inputs) ??
  joinSlices(node, inputs) ??
  sliceOfConcat(node, inputs) ??
  meanThroughLinear(node, inputs);

/** {@link simplify} for graphs that are not going to be differentiated any more: nothing has to be held constant. */
export const simplifyDifferentiated: Visit = (node, inputs, builder) =>
  node.op.kind === 'stopGradient' ? inputs[0] : simplify(node, inputs, builder);

function foldConstant(node: GraphNode, inputs: readonly Tensor[]): Tensor | undefined {
  if (inputs.length === 0 || sizeOf(node.shape) > largestFoldedConstant) return undefined;
  const values: HostTensor[] = [];
  for (const input of inputs) {
    const { op, shape, dtype } = nodeOf(input);
    if (op.kind !== 'constant') return undefined;
    values.push({ dtype, shape, data: op.data });
  }
  const folded = definitionOf(node.op).evaluate(node.op, values, node);
  return constant(inputs[0]!.builder, folded.data, node.shape);
}

function dropNeutral(node: GraphNode, inputs: readonly Tensor[]): Tensor | undefined {
  const { op } = node;
  if (op.kind !== 'binary') return undefined;
  const [x, y] = [inputs[0]!, inputs[1]!];
  const [left, right] = [scalarValue(x), scalarValue(y)];
  const keeps = (kept: Tensor) => sameShape(kept.shape, node.shape);
  if (right !== undefined && keeps(x)) {
    if ((op.fn === 'mul' || op.fn === 'div' || op.fn === 'pow') && right === 1) return x;
    if ((op.fn === 'add' || op.fn === 'sub') && right === 0) return x;
  }
  if (left !== undefined && keeps(y)) {
    if (op.fn === 'mul' && left === 1) return y;
    if (op.fn === 'add' && left === 0) return y;
  }
  const outer = right ?? left;
  return op.fn !== 'mul' || outer === undefined
    ? undefined
    : mergeScales(node, right === undefined ? y : x, outer);
}

/** (x · a) · b with numbers a and b → x · (a·b). */
function mergeScales(node: GraphNode, inner: Tensor, outer: number): Tensor | undefined {
  const { op } = nodeOf(inner);
  if (op.kind !== 'binary' || op.fn !== 'mul') return undefined;
  const [a, b] = [inputsOf(inner)[0]!, inputsOf(inner)[1]!];
  const scale = scalarValue(b);
  return scale === undefined || !sameShape(a.shape, node.shape) ? undefined : mul(a, scale * outer);
}

function mergeLayout(node: GraphNode, inputs: readonly Tensor[]): Tensor | undefined {
  const { op } = node;
  const source = inputs[0];
  if (source === undefined) return undefined;
  const before = nodeOf(source).op;
  if (op.kind === 'reshape') {
    if (sameShape(source.shape, op.shape)) return source;
    return before.kind === 'reshape' ? reshape(inputsOf(source)[0]!, op.shape) : undefined;
  }
  if (op.kind === 'transpose' && before.kind === 'transpose') {
    return transpose(
      inputsOf(source)[0]!,
      op.perm.map((axis) => before.perm[axis]!),
    );
  }
  if (op.kind === 'broadcast' && before.kind === 'broadcast')
    return broadcastTo(inputsOf(source)[0]!, op.shape);
  return undefined;
}

/**
 * The sum of two zero-padded neighbours is their concatenation, padded where still needed. Slices of one
 * value (q, k and v of a fused qkv) leave such sums behind when they are differentiated.
 * @returns the concatenation, or `undefined` where `node` is not such a sum
 */
function joinPads(node: GraphNode, inputs: readonly Tensor[]): Tensor | undefined {
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

/**
 * A slice of a slice is one slice, and neighbouring slices of one value joined again are one slice: the
 * parts that a value was cut into vanish where they are put together in order.
 * @returns the simpler form, or `undefined` where `node` is neither
 */
function joinSlices(node: GraphNode, inputs: readonly Tensor[]): Tensor | undefined {
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

/** A slice of a concatenation that lies within one part is a slice of that part. */
function sliceOfConcat(node: GraphNode, [source]: readonly Tensor[]): Tensor | undefined {
  if (node.op.kind !== 'slice') return undefined;
  const made = nodeOf(source!).op;
  if (made.kind !== 'concat') return undefined;
  const { axis } = made;
  const [start, end] = [node.op.starts[axis]!, node.op.ends[axis]!];
  let offset = 0;
  for (const part of inputsOf(source!)) {
    const extent = part.shape[axis]!;
    if (start >= offset && end <= offset + extent) {
      const moved = (at: readonly number[]) => at.map((place, i) => (i === axis ? place - offset : place));
      return slice(part, moved(node.op.starts), moved(node.op.ends));
    }
    offset += extent;
  }
  return undefined;
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

/**
 * A mean over axes other than the last commutes with every map that acts on the last axis alone:
 * mean(x·Wᵀ + b) = mean(x)·Wᵀ + b. Pooling first turns work on N tokens into work on one vector.
 * @returns the pooled-first form of a mean, or `undefined` where `node` is not such a mean.
 */
function meanThroughLinear(node: GraphNode, inputs: readonly Tensor[]): Tensor | undefined {
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
