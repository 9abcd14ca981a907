import type { GraphNode, NodeId, Program } from '@kora-bench/core';
import { scalarConstant } from '../rewrite/scalar-constant.js';
import { emitProduct } from './emit-product.js';
import type { Emission } from './plan-emissions.js';

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
  const alpha = factor.shape.length > product.shape.length ? undefined : scalarConstant(factor);
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
