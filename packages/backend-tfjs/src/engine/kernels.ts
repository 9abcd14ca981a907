import type { ComputedNode } from '@kora-bench/core/backend';
import type {
  BinaryFn,
  CompareFn,
  CompositeKind,
  DType,
  GraphNode,
  OpOf,
  ReduceFn,
  Shape,
  UnaryFn,
} from '@kora-bench/core/graph';
import { sizeOf } from '@kora-bench/core/graph';
import type { Tensor } from '@tensorflow/tfjs-core';
import type { EngineTraits } from '../rewrite/engine-traits.js';
import type { NativeKind } from '../rewrite/prepare-program.js';

/** Runs one kernel of tfjs, by the name that it is registered under. */
export type CallKernel = (
  kernel: string,
  inputs: Readonly<Record<string, Tensor>> | readonly Tensor[],
  attributes?: Readonly<Record<string, unknown>>,
) => Tensor;

/** How a node is computed. */
export interface NodeKernel {
  /** The kernels that it calls. */
  readonly calls: readonly string[];
  /** @returns a new tensor; the operands are left alone */
  compute(call: CallKernel, operands: readonly Tensor[]): Tensor;
}

/** What tfjs calls an element type. */
export const dtypes = { f32: 'float32', i32: 'int32', bool: 'bool' } as const satisfies Record<DType, string>;

const unaryKernel: Record<UnaryFn, string> = {
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

const binaryKernel: Record<BinaryFn, string> = {
  add: 'Add',
  sub: 'Sub',
  mul: 'Multiply',
  div: 'RealDiv',
  max: 'Maximum',
  min: 'Minimum',
  pow: 'Pow',
};

const compareKernel: Record<CompareFn, string> = { equal: 'Equal', less: 'Less', greater: 'Greater' };

const reduceKernel: Record<ReduceFn, string> = { sum: 'Sum', mean: 'Mean', max: 'Max' };

/** The kernels of a node of a prepared program. */
export function kernelOf(
  node: ComputedNode,
  operands: readonly GraphNode[],
  { batchesProducts, slice }: EngineTraits,
): NodeKernel {
  const op = node.op as Exclude<ComputedNode['op'], { kind: Replaced }>;
  switch (op.kind) {
    case 'unary':
      return single(unaryKernel[op.fn], ([x]) => ({ x: x! }));
    case 'binary':
      return single(binaryKernel[op.fn], ([a, b]) => ({ a: a!, b: b! }));
    case 'compare':
      return single(compareKernel[op.fn], ([a, b]) => ({ a: a!, b: b! }));
    case 'where':
      return single('Select', ([condition, t, e]) => ({ condition: condition!, t: t!, e: e! }));
    case 'cast':
      return single('Cast', ([x]) => ({ x: x! }), { dtype: dtypes[op.to] });
    case 'reduce':
      return reduction(op);
    case 'matmul': {
      const { transposeA, transposeB } = op;
      if (!batchesProducts && sizeOf(node.shape.slice(0, -2)) > 1) return oneByOne(op, node.shape, slice);
      return single('BatchMatMul', ([a, b]) => ({ a: a!, b: b! }), { transposeA, transposeB });
    }
    case 'reshape':
      return single('Reshape', ([x]) => ({ x: x! }), { shape: [...op.shape] });
    case 'transpose':
      return single('Transpose', ([x]) => ({ x: x! }), { perm: [...op.perm] });
    case 'broadcast': {
      const from = operands[0]!.shape;
      const reps = op.shape.map((extent, axis) => extent / from[axis]!);
      return single('Tile', ([x]) => ({ x: x! }), { reps });
    }
    case 'slice': {
      const size = op.ends.map((end, axis) => end - op.starts[axis]!);
      return single(slice, ([x]) => ({ x: x! }), { begin: [...op.starts], size });
    }
    case 'pad': {
      const paddings = op.before.map((before, axis) => [before, op.after[axis]!]);
      return single('PadV2', ([x]) => ({ x: x! }), { paddings, constantValue: 0 });
    }
    case 'concat':
      return single('Concat', (all) => all, { axis: op.axis });
    case 'linear':
      return linear(node.shape);
    case 'softmax':
      return single('Softmax', ([logits]) => ({ logits: logits! }), { dim: node.shape.length - 1 });
    default:
      return op satisfies never;
  }
}

/** Composites without a kernel, which are lowered, and what `exactValues` replaces. */
type Replaced = Exclude<CompositeKind, NativeKind> | 'oneHot';

function single(
  kernel: string,
  inputs: (operands: readonly Tensor[]) => Parameters<CallKernel>[1],
  attributes: Readonly<Record<string, unknown>> = {},
): NodeKernel {
  return { calls: [kernel], compute: (call, operands) => call(kernel, inputs(operands), attributes) };
}

function reduction({ fn, axes, keepDims }: OpOf<'reduce'>): NodeKernel {
  const named = fn === 'max' ? { reductionIndices: [...axes] } : { axis: [...axes] };
  return single(reduceKernel[fn], ([x]) => ({ x: x! }), { ...named, keepDims });
}

/** `x · weightᵀ + bias` on matrices; the fused kernel takes batches of them. */
function linear(shape: Shape): NodeKernel {
  return {
    calls: ['Reshape', '_FusedMatMul'],
    compute(call, [x, weight, bias]) {
      const batch = (matrix: Tensor) => call('Reshape', { x: matrix }, { shape: [1, ...matrix.shape] });
      const [a, b] = [batch(x!), batch(weight!)];
      const attributes = { transposeA: false, transposeB: true, activation: 'linear' };
      const product = call('_FusedMatMul', bias === undefined ? { a, b } : { a, b, bias }, attributes);
      const result = call('Reshape', { x: product }, { shape: [...shape] });
      for (const tensor of [a, b, product]) tensor.dispose();
      return result;
    },
  };
}

/** A batch of products as products of two matrices. An operand without a batch is in all of them. */
function oneByOne({ transposeA, transposeB }: OpOf<'matmul'>, shape: Shape, slice: string): NodeKernel {
  const count = sizeOf(shape.slice(0, -2));
  return {
    calls: ['Reshape', slice, 'BatchMatMul', 'Concat'],
    compute(call, [a, b]) {
      const made: Tensor[] = [];
      const keep = (tensor: Tensor) => {
        made.push(tensor);
        return tensor;
      };
      const matrices = (operand: Tensor) => {
        const [rows, columns] = operand.shape.slice(-2);
        const batch = keep(call('Reshape', { x: operand }, { shape: [-1, rows, columns] }));
        return (i: number) =>
          batch.shape[0] === 1
            ? batch
            : keep(call(slice, { x: batch }, { begin: [i, 0, 0], size: [1, rows, columns] }));
      };
      const [left, right] = [matrices(a!), matrices(b!)];
      const products = Array.from({ length: count }, (_, i) =>
        keep(call('BatchMatMul', { a: left(i), b: right(i) }, { transposeA, transposeB })),
      );
      const joined = keep(call('Concat', products, { axis: 0 }));
      const result = call('Reshape', { x: joined }, { shape: [...shape] });
      for (const tensor of made) tensor.dispose();
      return result;
    },
  };
}
