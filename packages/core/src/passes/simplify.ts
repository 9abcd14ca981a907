import type { GraphNode } from '../graph/graph.js';
import { sameShape, sizeOf } from '../graph/shape.js';
import { mul } from '../ops/elementwise.js';
import { broadcastTo, reshape, transpose } from '../ops/layout.js';
import { definitionOf } from '../ops/registry.js';
import { constant, scalarValue } from '../ops/sources.js';
import type { HostTensor } from '../tensor/host-tensor.js';
import type { Tensor } from '../tensor/tensor.js';
import { joinPads } from './join-pads.js';
import { joinSlices } from './join-slices.js';
import { meanThroughLinear } from './mean-through-linear.js';
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
  meanThroughLinear(node, inputs);

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
  return op.fn === 'mul' ? mergeScales(node, x, y, left, right) : undefined;
}

/** (x · a) · b with numbers a and b → x · (a·b). */
function mergeScales(
  node: GraphNode,
  x: Tensor,
  y: Tensor,
  left: number | undefined,
  right: number | undefined,
): Tensor | undefined {
  const outer = right ?? left;
  const inner = right !== undefined ? x : y;
  const { op } = nodeOf(inner);
  if (outer === undefined || op.kind !== 'binary' || op.fn !== 'mul') return undefined;
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
