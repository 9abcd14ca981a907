import type { GraphNode } from '../graph/graph.js';
import type { Shape } from '../graph/shape.js';
import { reshape, transpose } from '../ops/layout.js';
import { narrow } from '../ops/slicing.js';
import type { Tensor } from '../tensor/tensor.js';
import { inputsOf, liveReaders, nodeOf, reemit, rewriteGraph } from './rewrite.js';

/**
 * Moves a slice along one axis in front of ops that treat the positions of that axis independently,
 * where the slice is the only reader: only the class token of the last block is ever needed for
 * classification, so its projection and MLP need not run on the other tokens.
 * @returns the roots in the rewritten graph
 */
export function narrowEarly(roots: readonly Tensor[]): Tensor[] {
  let current = [...roots];
  for (;;) {
    const graph = current[0]!.builder;
    const ids = current.map((root) => root.id);
    const uses = liveReaders(graph, ids);
    let moved = false;
    current = rewriteGraph(graph, ids, (node, inputs) => {
      if (node.op.kind !== 'slice' || uses[node.inputs[0]!] !== 1) return undefined;
      const replaced = narrowProducer(node, inputs[0]!);
      moved ||= replaced !== undefined;
      return replaced;
    });
    if (!moved) return current;
  }
}

interface Cut {
  readonly axis: number;
  readonly start: number;
  readonly end: number;
}

function narrowProducer(node: GraphNode, producer: Tensor): Tensor | undefined {
  const cut = singleCut(node, producer.shape);
  if (cut === undefined) return undefined;
  const { axis } = cut;
  const made = nodeOf(producer);
  const inputs = inputsOf(producer);
  const { rank } = producer;
  const cutAt = (x: Tensor, at: number) => narrow(x, at, cut.start, cut.end);
  const rebuild = (changed: readonly Tensor[]) => reemit(made, changed, producer.builder);

  switch (made.op.kind) {
    case 'unary':
    case 'binary':
    case 'compare':
    case 'where':
    case 'cast':
    case 'gelu':
    case 'geluGrad':
      return rebuild(
        inputs.map((input) => {
          const at = axis - (rank - input.rank);
          return at < 0 || input.shape[at] === 1 ? input : cutAt(input, at);
        }),
      );
    case 'linear':
    case 'layerNorm':
    case 'softmax':
      return axis === rank - 1 ? undefined : rebuild([cutAt(inputs[0]!, axis), ...inputs.slice(1)]);
    case 'attention':
      return axis === rank - 2 ? rebuild([cutAt(inputs[0]!, axis), ...inputs.slice(1)]) : undefined;
    case 'transpose':
      return transpose(cutAt(inputs[0]!, made.op.perm[axis]!), made.op.perm);
    case 'reshape': {
      const at = sameAxis(inputs[0]!.shape, producer.shape, axis);
      return at === undefined ? undefined : reshape(cutAt(inputs[0]!, at), node.shape);
    }
    default:
      return undefined;
  }
}

/** The one axis that a slice shortens, or `undefined` if there is not exactly one. */
function singleCut(node: GraphNode, shape: Shape): Cut | undefined {
  const { op } = node;
  if (op.kind !== 'slice') return undefined;
  const cut = shape.flatMap((extent, axis) => (node.shape[axis] === extent ? [] : [axis]));
  const [axis] = cut;
  return axis === undefined || cut.length !== 1
    ? undefined
    : { axis, start: op.starts[axis]!, end: op.ends[axis]! };
}

/** The axis of `from` that a reshape keeps as axis `axis` of `to`. */
function sameAxis(from: Shape, to: Shape, axis: number): number | undefined {
  const before = to.slice(0, axis).reduce((product, extent) => product * extent, 1);
  let product = 1;
  for (let at = 0; at < from.length; at++) {
    if (product === before && from[at] === to[axis]) return at;
    product *= from[at]!;
  }
  return undefined;
}
