import type { OpOf } from '../graph/op.js';
import type { Shape } from '../graph/shape.js';
import { broadcastShapes, sizeOf } from '../graph/shape.js';
import type { HostTensor } from '../tensor/host-tensor.js';
import type { Tensor } from '../tensor/tensor.js';
import { agreedAxis, alongFirstAxis, onlyFirst, pointwise } from './axis-rules.js';
import type { ExampleAxis, FollowedOperand, PrimitiveDefinition, Typed } from './definition.js';
import { asFloat64, broadcastIndex } from './evaluation.js';
import { reshape } from './layout.js';
import { sumTo } from './reduce.js';
import { requireDType, requireShape } from './requirements.js';

export interface MatmulOptions {
  /** Use `a` with its last two axes exchanged. */
  readonly transposeA?: boolean;
  /** Use `b` with its last two axes exchanged. */
  readonly transposeB?: boolean;
}

export const matmulDefinition: PrimitiveDefinition<'matmul'> = {
  infer(op, [a, b]) {
    requireDType('matmul', 'f32', a!, b!);
    requireShape(
      a!.rank >= 2 && b!.rank >= 2,
      'matmul works on matrices.',
      'rank 2 or more on both sides',
      a!,
      b!,
    );
    const [m, k] = matrix(a!.shape, op.transposeA);
    const [kb, n] = matrix(b!.shape, op.transposeB);
    const batch = broadcastShapes(a!.shape.slice(0, -2), b!.shape.slice(0, -2));
    requireShape(k === kb, `matmul cannot contract ${k} with ${kb}.`, 'equal inner extents', a!, b!);
    requireShape(
      batch !== undefined,
      'matmul cannot broadcast its batch axes.',
      'batch axes that broadcast',
      a!,
      b!,
    );
    return { shape: [...batch!, m, n], dtype: 'f32' };
  },
  evaluate: (op, [a, b], output) => multiply(a!, b!, op, output),
  gradient({ transposeA, transposeB }, { inputs, dy, needs }) {
    const [a, b] = [inputs[0]!, inputs[1]!];
    const da = () =>
      transposeA
        ? matmul(b, dy, { transposeA: transposeB, transposeB: true })
        : matmul(dy, b, { transposeB: !transposeB });
    const db = () => {
      // A weight shared by all leading axes: one product over the flattened rows, no batched partial sums.
      const shared = b.rank === 2 && a.rank > 2 && !transposeA;
      const rows = shared ? reshape(a, [-1, a.shape.at(-1)!]) : a;
      const grads = shared ? reshape(dy, [-1, dy.shape.at(-1)!]) : dy;
      return transposeB
        ? matmul(grads, rows, { transposeA: true, transposeB: transposeA })
        : matmul(rows, grads, { transposeA: !transposeA });
    };
    return [needs(0) ? sumTo(da(), a.shape) : undefined, needs(1) ? sumTo(db(), b.shape) : undefined];
  },
  flops: (op, [a], output) => 2 * sizeOf(output.shape) * matrix(a!.shape, op.transposeA)[1],
  exampleAxis({ transposeA, transposeB }, [a, b], { shape }) {
    const rowsOfA = a!.shape.length - (transposeA ? 1 : 2);
    const columnsOfB = b!.shape.length - (transposeB ? 2 : 1);
    return agreedAxis([
      axisInProduct(a!, { free: rowsOfA, becomes: shape.length - 2 }, shape),
      axisInProduct(b!, { free: columnsOfB, becomes: shape.length - 1 }, shape),
    ]);
  },
  blockRule({ transposeA, transposeB }, context) {
    const { operands, cut } = context;
    if (operands.some(({ shape }) => shape.length > 2)) return alongFirstAxis(context);
    if (onlyFirst(cut)) return transposeA ? undefined : { kind: 'blocks', cut };
    // The rows of both are contracted: a product is the sum over the blocks of rows.
    return transposeA && !transposeB && cut[0] && cut[1] ? { kind: 'sum', cut } : undefined;
  },
  stack: pointwise.stack,
};

/** Where a batch axis, or the axis `free` that is not contracted, is in a product of `shape`. */
function axisInProduct(
  operand: FollowedOperand,
  { free, becomes }: { free: number; becomes: number },
  shape: Shape,
): ExampleAxis {
  const { axis } = operand;
  if (axis === 'none' || axis === 'mixed') return axis;
  if (axis >= operand.shape.length - 2) return axis === free ? becomes : 'mixed';
  const at = axis + shape.length - operand.shape.length;
  return shape[at] === operand.shape[axis] ? at : 'mixed';
}

function matrix(shape: Shape, transposed: boolean): [rows: number, columns: number] {
  const [rows, columns] = [shape.at(-2)!, shape.at(-1)!];
  return transposed ? [columns, rows] : [rows, columns];
}

function multiply(
  a: HostTensor,
  b: HostTensor,
  { transposeA, transposeB }: OpOf<'matmul'>,
  output: Typed,
): HostTensor {
  const [m, k] = matrix(a.shape, transposeA);
  const [, n] = matrix(b.shape, transposeB);
  const batch = output.shape.slice(0, -2);
  const indexA = broadcastIndex(a.shape.slice(0, -2), batch);
  const indexB = broadcastIndex(b.shape.slice(0, -2), batch);
  const [rowA, stepA] = transposeA ? [1, m] : [k, 1];
  const left = asFloat64(a.data);
  const right = transposeB ? exchanged(b) : asFloat64(b.data);
  const data = new Float64Array(sizeOf(output.shape));
  for (let batchIndex = 0; batchIndex < sizeOf(batch); batchIndex++) {
    const baseA = indexA(batchIndex) * m * k;
    const baseB = indexB(batchIndex) * k * n;
    for (let i = 0; i < m; i++) {
      const row = (batchIndex * m + i) * n;
      for (let p = 0; p < k; p++) {
        const factor = left[baseA + i * rowA + p * stepA]!;
        const from = baseB + p * n;
        for (let j = 0; j < n; j++) data[row + j]! += factor * right[from + j]!;
      }
    }
  }
  return { ...output, data };
}

/** The data of `tensor` with its last two axes exchanged, so that the inner loop reads it in order. */
function exchanged({ shape, data }: HostTensor): Float64Array {
  const [rows, columns] = matrix(shape, false);
  const out = new Float64Array(data.length);
  for (let start = 0; start < data.length; start += rows * columns) {
    for (let i = 0; i < rows; i++) {
      for (let j = 0; j < columns; j++) out[start + j * rows + i] = data[start + i * columns + j]!;
    }
  }
  return out;
}

/** `[…, M, K] · […, K, N] → […, M, N]`; batch axes broadcast, transposes cost nothing. */
export function matmul(a: Tensor, b: Tensor, options: MatmulOptions = {}): Tensor {
  const { transposeA = false, transposeB = false } = options;
  return a.builder.emit({ kind: 'matmul', transposeA, transposeB }, [a, b]);
}
