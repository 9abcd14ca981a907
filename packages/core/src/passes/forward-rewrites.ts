import type { GraphNode } from '../graph/graph.js';
import type { Shape } from '../graph/shape.js';
import { sizeOf } from '../graph/shape.js';
import { linear } from '../ops/linear.js';
import { matmul } from '../ops/matmul.js';
import { definitionOf } from '../ops/registry.js';
import { narrow } from '../ops/slicing.js';
import type { Tensor } from '../tensor/tensor.js';
import { inputsOf, liveReaders, nodeOf, reemit, rewriteGraph } from './rewrite.js';

/*
 * Rewrites of a forward pass that are worth most before it is differentiated: the backward pass then comes
 * out smaller by itself.
 */

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

function narrowProducer(node: GraphNode, producer: Tensor): Tensor | undefined {
  const cut = singleCut(node, producer.shape);
  if (cut === undefined) return undefined;
  const made = nodeOf(producer);
  return definitionOf(made.op).narrow?.(made.op, {
    inputs: inputsOf(producer),
    shape: producer.shape,
    axis: cut.axis,
    narrowed: node.shape,
    cut: (x, at) => narrow(x, at, cut.start, cut.end),
    apply: (inputs) => reemit(made, inputs, producer.builder),
  });
}

interface Cut {
  readonly axis: number;
  readonly start: number;
  readonly end: number;
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

/**
 * (x·Bᵀ)·Pᵀ → x·(P·B)ᵀ where the value in between is wider than both sides and that takes fewer
 * multiplications, as it does when `x` has many rows. Done before differentiation, the gradients of B and P
 * come from that of P·B and are as cheap.
 * @returns the roots in the rewritten graph
 */
export function mergeLinear(roots: readonly Tensor[]): Tensor[] {
  const graph = roots[0]!.builder;
  const ids = roots.map((root) => root.id);
  const readers = liveReaders(graph, ids);
  return rewriteGraph(graph, ids, (node, inputs) =>
    node.op.kind === 'linear' && readers[node.inputs[0]!] === 1 ? merge(node, inputs) : undefined,
  );
}

function merge(node: GraphNode, [between, outer, bias]: readonly Tensor[]): Tensor | undefined {
  if (nodeOf(between!).op.kind !== 'linear') return undefined;
  const [x, inner, innerBias] = inputsOf(between!);
  if (innerBias !== undefined) return undefined;
  const [into, wide, out] = [inner!.shape[1]!, inner!.shape[0]!, node.shape.at(-1)!];
  if (wide <= Math.max(into, out)) return undefined;
  const rows = sizeOf(x!.shape) / into;
  const apart = rows * wide * (into + out);
  const merged = into * out * (wide + rows);
  return merged < apart ? linear(x!, matmul(outer!, inner!), bias) : undefined;
}
