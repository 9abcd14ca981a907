import type { GraphNode } from '../graph/graph.js';
import { sizeOf } from '../graph/shape.js';
import { linear } from '../ops/linear.js';
import { matmul } from '../ops/matmul.js';
import type { Tensor } from '../tensor/tensor.js';
import { inputsOf, liveReaders, nodeOf, rewriteGraph } from './rewrite.js';

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
