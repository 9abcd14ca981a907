import type { GraphNode, NodeId, Program } from '@kora-bench/core';
import { sizeOf } from '@kora-bench/core';
import { emitProduct } from './emit-product.js';
import type { Emission } from './export-program.js';

/** A number times a matrix product that nothing else reads: the number becomes the product's `alpha`. */
export function fuseScaledProduct(
  program: Program,
  node: GraphNode,
  uses: Uint32Array,
): Emission | undefined {
  const { op } = node;
  if (op.kind !== 'binary' || op.fn !== 'mul') return undefined;
  const [x, y] = [program.nodes[node.inputs[0]!]!, program.nodes[node.inputs[1]!]!];
  return scaled(program, x, y, uses) ?? scaled(program, y, x, uses);
}

function scaled(
  program: Program,
  product: GraphNode,
  factor: GraphNode,
  uses: Uint32Array,
): Emission | undefined {
  const { op } = product;
  const alpha = numberOf(factor, product.shape.length);
  if (op.kind !== 'matmul' || alpha === undefined || uses[product.id] !== 1) return undefined;
  const ranks = product.inputs.map((id: NodeId) => program.nodes[id]!.shape.length);
  return {
    inputs: product.inputs,
    emit: (graph, inputs) =>
      emitProduct(graph, {
        a: inputs[0]!,
        b: inputs[1]!,
        rankA: ranks[0]!,
        rankB: ranks[1]!,
        transposeA: op.transposeA,
        transposeB: op.transposeB,
        alpha,
      }),
  };
}

/** The finite, non-zero value of a constant with one element that broadcasts without adding axes. */
function numberOf({ op, shape }: GraphNode, rank: number): number | undefined {
  if (op.kind !== 'constant' || sizeOf(shape) !== 1 || shape.length > rank) return undefined;
  const value = op.data[0]!;
  // Products by 0 must stay: 0 · ∞ is not 0.
  return Number.isFinite(value) && value !== 0 ? value : undefined;
}
