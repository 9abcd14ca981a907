import type { GraphNode, NodeId, Program } from '@kora-bench/core';
import { sameShape, sizeOf } from '@kora-bench/core';
import { scalarConstant } from '../rewrite/scalar-constant.js';
import { emitProduct } from './emit-product.js';
import type { Emission } from './plan-emissions.js';

/**
 * Plans a `matmul` or `linear`, or a number times one that nothing else reads. Numbers that multiply the
 * result or an operand become factors of the product instead of passes over memory.
 * @returns `undefined` where `node` is none of these
 */
export function planProduct(program: Program, node: GraphNode, uses: Uint32Array): Emission | undefined {
  const scaled = scaledOperand(program, node);
  const product = scaled !== undefined && uses[scaled.node.id] === 1 ? scaled.node : node;
  const scale = product === node ? 1 : scaled!.scale;
  const { op } = product;
  const [x, weight, bias] = product.inputs.map((id) => program.nodes[id]!);
  if (op.kind === 'matmul') {
    const [a, b] = [absorb(program, x!), absorb(program, weight!)];
    const alpha = scale * a.scale * b.scale;
    return {
      inputs: [a.node.id, b.node.id],
      emit: (graph, [left, right]) =>
        emitProduct(graph, {
          a: left!,
          b: right!,
          rankA: x!.shape.length,
          rankB: weight!.shape.length,
          transposeA: op.transposeA,
          transposeB: op.transposeB,
          alpha,
        }),
    };
  }
  if (op.kind !== 'linear') return undefined;
  const rows = absorb(program, x!);
  const [height, width] = [weight!.shape[0]!, weight!.shape[1]!];
  const count = sizeOf(x!.shape) / width;
  const inputs: NodeId[] = [rows.node.id, weight!.id, ...(bias === undefined ? [] : [bias.id])];
  return {
    inputs,
    emit(graph, [a, b, c]) {
      const flat = x!.shape.length === 2;
      const result = emitProduct(graph, {
        a: flat ? a! : graph.node('Reshape', [a!, graph.integers([count, width])]),
        b: b!,
        rankA: 2,
        rankB: 2,
        transposeA: false,
        transposeB: true,
        alpha: scale * rows.scale,
        beta: scale,
        ...(c === undefined ? {} : { c }),
      });
      const shape = [...x!.shape.slice(0, -1), height];
      return flat ? result : graph.node('Reshape', [result, graph.integers(shape)]);
    },
  };
}

/** An operand of a product without the number that multiplies it. */
function absorb(program: Program, operand: GraphNode): Scaled {
  return scaledOperand(program, operand) ?? { node: operand, scale: 1 };
}

interface Scaled {
  readonly node: GraphNode;
  readonly scale: number;
}

function scaledOperand(program: Program, { op, inputs, shape }: GraphNode): Scaled | undefined {
  if (op.kind !== 'binary' || op.fn !== 'mul') return undefined;
  const [x, y] = [program.nodes[inputs[0]!]!, program.nodes[inputs[1]!]!];
  for (const [node, factor] of [
    [x, y],
    [y, x],
  ] as const) {
    const scale = scalarConstant(factor);
    if (scale !== undefined && sameShape(node.shape, shape)) return { node, scale };
  }
  return undefined;
}
