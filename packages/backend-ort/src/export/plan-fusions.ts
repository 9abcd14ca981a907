import type { GraphNode, NodeId, Program } from '@kora-bench/core/graph';
import { sameShape, sizeOf } from '@kora-bench/core/graph';
import { scalarConstant } from '@kora-bench/core/passes';
import type { OnnxGraph } from '../onnx/onnx-graph.js';
import { emitProduct } from './emit-primitive.js';

/** How a node becomes ONNX operators: what it reads, and what writes it. */
export interface Emission {
  readonly inputs: readonly NodeId[];
  /** @returns the name of the node's value */
  emit(graph: OnnxGraph, inputs: readonly string[]): string;
}

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

/**
 * Plans a sum of squares that nothing else reads, as in the norm of a gradient: one pass over the value
 * instead of two and a copy.
 * @returns `undefined` where `node` is no such sum
 */
export function planSumOfSquares(
  program: Program,
  { op, inputs }: GraphNode,
  uses: Uint32Array,
): Emission | undefined {
  if (op.kind !== 'reduce' || op.fn !== 'sum') return undefined;
  const squares = program.nodes[inputs[0]!]!;
  const [x, y] = squares.inputs;
  if (squares.op.kind !== 'binary' || squares.op.fn !== 'mul' || x !== y || uses[squares.id] !== 1)
    return undefined;
  return {
    inputs: [x!],
    emit: (graph, [value]) =>
      graph.node('ReduceSumSquare', [value!, graph.integers(op.axes)], {
        attributes: { keepdims: { int: op.keepDims ? 1 : 0 } },
      }),
  };
}
