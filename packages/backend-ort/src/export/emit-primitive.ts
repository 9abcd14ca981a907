import type {
  BinaryFn,
  CompareFn,
  DType,
  GraphNode,
  OpOf,
  PrimitiveOp,
  ReduceFn,
  Shape,
  UnaryFn,
} from '@kora-bench/core/graph';
import { sizeOf } from '@kora-bench/core/graph';
import type { OnnxGraph } from '../onnx/onnx-graph.js';
import { onnxType } from '../onnx/onnx-schema.js';

const unaryOperator: Record<UnaryFn, string> = {
  neg: 'Neg',
  exp: 'Exp',
  log: 'Log',
  sqrt: 'Sqrt',
  tanh: 'Tanh',
  erf: 'Erf',
  abs: 'Abs',
  sign: 'Sign',
  reciprocal: 'Reciprocal',
};

const binaryOperator: Record<BinaryFn, string> = {
  add: 'Add',
  sub: 'Sub',
  mul: 'Mul',
  div: 'Div',
  max: 'Max',
  min: 'Min',
  pow: 'Pow',
};

const compareOperator: Record<CompareFn, string> = { equal: 'Equal', less: 'Less', greater: 'Greater' };

const reduceOperator: Record<ReduceFn, string> = { sum: 'ReduceSum', mean: 'ReduceMean', max: 'ReduceMax' };

/** A node whose op is a primitive. */
export type PrimitiveNode = GraphNode & { readonly op: PrimitiveOp };

/**
 * Writes one primitive as ONNX operators, with the oracle's results for NaN and infinities.
 * @param inputs names of the operands' values
 * @param operands the operands' nodes, for their shapes and types
 * @returns the name of the result
 */
export function emitPrimitive(
  graph: OnnxGraph,
  node: PrimitiveNode,
  inputs: readonly string[],
  operands: readonly GraphNode[],
): string {
  const { op } = node;
  const [x, y] = [inputs[0]!, inputs[1]!];
  const first = operands[0]!;
  switch (op.kind) {
    case 'unary':
      return graph.node(unaryOperator[op.fn], [x]);
    case 'binary':
      return op.fn === 'pow' ? emitPower(graph, x, y) : graph.node(binaryOperator[op.fn], [x, y]);
    case 'compare':
      return emitCompare(graph, op.fn, first.dtype, [x, y]);
    case 'where':
      return emitWhere(graph, inputs, node.dtype);
    case 'cast':
      return emitCast(graph, x, first.dtype, op.to);
    case 'reduce':
      return sumsRows(op, first)
        ? emitSumOfRows(graph, x, first.shape, node.shape)
        : emitReduce(graph, op, x);
    case 'matmul':
      return emitProduct(graph, {
        a: x,
        b: y,
        rankA: first.shape.length,
        rankB: operands[1]!.shape.length,
        transposeA: op.transposeA,
        transposeB: op.transposeB,
      });
    case 'reshape':
      return graph.node('Reshape', [x, graph.integers(op.shape)]);
    case 'transpose':
      return graph.node('Transpose', [x], { attributes: { perm: { ints: op.perm } } });
    case 'broadcast':
      return graph.node('Expand', [x, graph.integers(op.shape)]);
    case 'slice': {
      const cut = op.starts.flatMap((start, axis) =>
        start === 0 && op.ends[axis] === first.shape[axis] ? [] : [axis],
      );
      const starts = cut.map((axis) => op.starts[axis]!);
      const ends = cut.map((axis) => op.ends[axis]!);
      return graph.node('Slice', [x, graph.integers(starts), graph.integers(ends), graph.integers(cut)]);
    }
    case 'pad':
      return graph.node('Pad', [x, graph.integers([...op.before, ...op.after])]);
    case 'concat':
      return graph.node('Concat', inputs, { attributes: { axis: { int: op.axis } } });
    case 'oneHot': {
      // ONNX's OneHot wraps negative indices around; comparing gives zeros for every foreign index.
      const column = graph.node('Unsqueeze', [x, graph.integers([-1])]);
      const classes = graph.constant(
        'i32',
        [op.depth],
        Int32Array.from({ length: op.depth }, (_, i) => i),
      );
      return cast(graph, graph.node('Equal', [column, classes]), 'f32');
    }
    default:
      return op satisfies never;
  }
}

function cast(graph: OnnxGraph, x: string, to: DType): string {
  return graph.node('Cast', [x], { attributes: { to: { int: onnxType[to] } } });
}

/** To `i32`, numbers that are no integers of any size (NaN, ±∞) become 0. */
function emitCast(graph: OnnxGraph, x: string, from: DType, to: DType): string {
  if (from !== 'f32' || to !== 'i32') return cast(graph, x, to);
  const difference = graph.node('Sub', [x, x]);
  const finite = graph.node('Equal', [difference, graph.scalar(0)]);
  return cast(graph, graph.node('Where', [finite, x, graph.scalar(0)]), 'i32');
}

function emitCompare(graph: OnnxGraph, fn: CompareFn, dtype: DType, inputs: readonly string[]): string {
  const ordered = dtype === 'bool' && fn !== 'equal';
  const operands = ordered ? inputs.map((input) => cast(graph, input, 'i32')) : inputs;
  return graph.node(compareOperator[fn], operands);
}

function emitWhere(graph: OnnxGraph, [condition, x, y]: readonly string[], dtype: DType): string {
  if (dtype !== 'bool') return graph.node('Where', [condition!, x!, y!]);
  const chosen = graph.node('Where', [condition!, cast(graph, x!, 'i32'), cast(graph, y!, 'i32')]);
  return cast(graph, chosen, 'bool');
}

/** JavaScript's power: unlike C's, NaN for a NaN exponent and for ±1 to an infinite one. */
function emitPower(graph: OnnxGraph, x: string, y: string): string {
  const power = graph.node('Pow', [x, y]);
  // y − y is 0 for a finite exponent and NaN for all others.
  const finite = graph.node('Equal', [graph.node('Sub', [y, y]), graph.scalar(0)]);
  const unit = graph.node('Equal', [graph.node('Abs', [x]), graph.scalar(1)]);
  const strange = graph.node('And', [unit, graph.node('Not', [finite])]);
  return graph.node('Where', [strange, graph.scalar(Number.NaN), power]);
}

function emitReduce(graph: OnnxGraph, { fn, axes, keepDims }: OpOf<'reduce'>, x: string): string {
  const attributes = { keepdims: { int: keepDims ? 1 : 0 } };
  const reduced = graph.node(reduceOperator[fn], [x, graph.integers(axes)], { attributes });
  if (fn !== 'max') return reduced;
  // onnxruntime's maximum ignores NaN; the oracle's does not.
  const unknown = cast(graph, graph.node('IsNaN', [x]), 'f32');
  const anyUnknown = graph.node('ReduceMax', [unknown, graph.integers(axes)], { attributes });
  return graph.node('Where', [cast(graph, anyUnknown, 'bool'), graph.scalar(Number.NaN), reduced]);
}

/** From so many elements, a product is the faster sum. */
const manyElements = 16_384;

/** Whether all axes but the last are summed, over many elements: the gradients of biases and of layer norms. */
function sumsRows({ fn, axes }: OpOf<'reduce'>, { shape }: GraphNode): boolean {
  const leading = axes.length === shape.length - 1 && axes.every((axis) => axis < shape.length - 1);
  return fn === 'sum' && leading && shape.at(-1)! > 1 && sizeOf(shape) >= manyElements;
}

/** 1ᵀ·X for rows X: onnxruntime's ReduceSum over leading axes takes nearly twice as long as its product. */
function emitSumOfRows(graph: OnnxGraph, x: string, from: Shape, to: Shape): string {
  const width = from.at(-1)!;
  const rows = sizeOf(from) / width;
  const ones = graph.constant('f32', [1, rows], new Float32Array(rows).fill(1));
  const flat = graph.node('Reshape', [x, graph.integers([rows, width])]);
  return graph.node('Reshape', [graph.node('MatMul', [ones, flat]), graph.integers(to)]);
}

/** `alpha · a · b + beta · c`, with the last two axes of `a` and `b` exchanged where asked. */
export interface Product {
  readonly a: string;
  readonly b: string;
  readonly rankA: number;
  readonly rankB: number;
  readonly transposeA: boolean;
  readonly transposeB: boolean;
  /** 1 by default. */
  readonly alpha?: number;
  /** 1 by default. */
  readonly beta?: number;
  /** Broadcasts to the result; only where both operands are matrices. */
  readonly c?: string;
}

/**
 * Writes a matrix product without copying an operand: Gemm for two matrices, else onnxruntime's
 * FusedMatMul (https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md).
 */
export function emitProduct(graph: OnnxGraph, product: Product): string {
  const { a, b, alpha = 1, beta = 1, c } = product;
  const flag = (set: boolean) => ({ int: set ? 1 : 0 });
  if (product.rankA === 2 && product.rankB === 2) {
    return graph.node('Gemm', c === undefined ? [a, b] : [a, b, c], {
      attributes: {
        transA: flag(product.transposeA),
        transB: flag(product.transposeB),
        alpha: { float: alpha },
        beta: { float: beta },
      },
    });
  }
  return graph.node('FusedMatMul', [a, b], {
    domain: 'com.microsoft',
    attributes: {
      transA: flag(product.transposeA),
      transB: flag(product.transposeB),
      alpha: { float: alpha },
    },
  });
}
