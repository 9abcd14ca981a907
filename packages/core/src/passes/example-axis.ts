import type { Graph, GraphNode } from '../graph/graph.js';
import type { Shape } from '../graph/shape.js';

/**
 * How a value relates to the examples of a batch: `none` does not depend on them; a number is the axis
 * along which position i depends on example i alone; `mixed` combines examples.
 */
export type ExampleAxis = number | 'none' | 'mixed';

/**
 * Follows the batch axis from the feeds named in `perExample` (axis 0 there) through the graph.
 * Conservative: what it cannot prove independent is `mixed`. Everything that depends on other feeds or
 * on states counts as `none` here; the caller tells those apart.
 */
export function exampleAxes(graph: Graph, perExample: ReadonlySet<string>): ExampleAxis[] {
  const axes: ExampleAxis[] = [];
  for (const node of graph.nodes) {
    const inputs = node.inputs.map((id) => ({ axis: axes[id]!, shape: graph.nodes[id]!.shape }));
    axes.push(axisOf(node, inputs, perExample));
  }
  return axes;
}

interface Followed {
  readonly axis: ExampleAxis;
  readonly shape: Shape;
}

function axisOf(node: GraphNode, inputs: readonly Followed[], perExample: ReadonlySet<string>): ExampleAxis {
  const { op } = node;
  if (op.kind === 'feed') return perExample.has(op.name) ? 0 : 'none';
  if (inputs.every(({ axis }) => axis === 'none')) return 'none';
  if (inputs.some(({ axis }) => axis === 'mixed')) return 'mixed';
  const [first] = inputs;
  const at = first!.axis;

  switch (op.kind) {
    case 'frozen':
    case 'state':
    case 'constant':
      return 'none';
    case 'unary':
    case 'binary':
    case 'compare':
    case 'where':
    case 'cast':
    case 'broadcast':
    case 'gelu':
    case 'geluGrad':
      return agreed(inputs.map((input) => broadcastAxis(input, node.shape)));
    case 'softmax':
    case 'softmaxGrad':
      return notLast(agreed(inputs.map(({ axis }) => axis)), node.shape.length);
    case 'linear':
    case 'layerNorm':
      return inputs.slice(1).every(({ axis }) => axis === 'none') ? notLast(at, node.shape.length) : 'mixed';
    case 'reduce': {
      if (typeof at !== 'number' || op.axes.includes(at)) return 'mixed';
      return op.keepDims ? at : at - op.axes.filter((axis) => axis < at).length;
    }
    case 'matmul':
      return matmulAxis(node, inputs, op.transposeA, op.transposeB);
    case 'attention':
    case 'attentionStatistics':
    case 'attentionGrad': {
      const axis = agreed(inputs.map((input) => input.axis));
      return typeof axis === 'number' && axis < node.shape.length - 2 ? axis : 'mixed';
    }
    case 'reshape':
      return typeof at === 'number' ? reshapedAxis(first!.shape, node.shape, at) : 'mixed';
    case 'transpose': {
      const to = op.perm.indexOf(at as number);
      return to < 0 ? 'mixed' : to;
    }
    case 'slice':
    case 'pad':
      return typeof at === 'number' && first!.shape[at] === node.shape[at] ? at : 'mixed';
    case 'concat': {
      // A part that depends on no example repeats the same values along the batch axis: no mixing.
      const axis = agreed(inputs.map((input) => input.axis));
      return axis === op.axis ? 'mixed' : axis;
    }
    case 'oneHot':
      return at;
    case 'layerNormGrad':
    case 'crossEntropy':
    case 'crossEntropyGrad':
      return 'mixed';
    default:
      return op satisfies never;
  }
}

/** A batch of one example that is repeated along its own axis no longer has one example per position. */
function broadcastAxis({ axis, shape }: Followed, to: Shape): ExampleAxis {
  if (typeof axis !== 'number') return axis;
  const at = axis + to.length - shape.length;
  return to[at] === shape[axis] ? at : 'mixed';
}

function agreed(axes: readonly ExampleAxis[]): ExampleAxis {
  const known = new Set(axes.filter((axis) => axis !== 'none'));
  if (known.size > 1 || known.has('mixed')) return 'mixed';
  return [...known][0] ?? 'none';
}

function notLast(axis: ExampleAxis, rank: number): ExampleAxis {
  return axis === rank - 1 ? 'mixed' : axis;
}

function matmulAxis(
  node: GraphNode,
  [a, b]: readonly Followed[],
  transposeA: boolean,
  transposeB: boolean,
): ExampleAxis {
  const rank = node.shape.length;
  const rowsOfA = a!.shape.length - (transposeA ? 1 : 2);
  const columnsOfB = b!.shape.length - (transposeB ? 2 : 1);
  const place = ({ axis, shape }: Followed, free: number, out: number): ExampleAxis => {
    if (axis === 'none' || axis === 'mixed') return axis;
    if (axis < shape.length - 2) {
      const at = axis + rank - shape.length;
      return node.shape[at] === shape[axis] ? at : 'mixed';
    }
    return axis === free ? out : 'mixed';
  };
  const [left, right] = [place(a!, rowsOfA, rank - 2), place(b!, columnsOfB, rank - 1)];
  return agreed([left, right]);
}

/** Where a reshape puts an axis that it keeps whole. */
function reshapedAxis(from: Shape, to: Shape, axis: number): ExampleAxis {
  const before = from.slice(0, axis).reduce((product, extent) => product * extent, 1);
  let product = 1;
  for (let at = 0; at < to.length; at++) {
    if (product === before && to[at] === from[axis]) return at;
    product *= to[at]!;
  }
  return 'mixed';
}
