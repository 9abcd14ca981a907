import type { GraphNode } from '@kora-bench/core';
import { InternalError, sizeOf } from '@kora-bench/core';
import { directProduct } from './matmul-direct.js';
import { stagedProduct } from './matmul-staged.js';
import type { Place } from './place.js';
import { axesOf, axesPlace, flatPlace } from './place.js';
import type { ValueWriter } from './value-writer.js';
import type { KernelBody, KernelContext } from './write-kernel.js';

/** A batch of matrix products as kernels see it. */
export interface Product {
  /** Rows and columns of each result, and how many products each element of it adds up. */
  readonly M: number;
  readonly N: number;
  readonly K: number;
  /** How many products there are; WGSL names the one at hand `batch`. */
  readonly batch: number;
  /** The element of the left operand in `row` and column `k`. */
  left(writer: ValueWriter, row: string, k: string): string;
  /** The element of the right operand in row `k` and `column`. */
  right(writer: ValueWriter, k: string, column: string): string;
}

export function matmulBody(context: KernelContext, node: GraphNode): KernelBody {
  const { op, shape, inputs } = node;
  if (op.kind !== 'matmul') throw new InternalError('Not a matrix product.');
  const { nodes } = context.program;
  const [a, b] = [nodes[inputs[0]!]!, nodes[inputs[1]!]!];
  const product: Product = {
    M: shape.at(-2)!,
    N: shape.at(-1)!,
    K: a.shape.at(op.transposeA ? -2 : -1)!,
    batch: sizeOf(shape.slice(0, -2)),
    left: (writer, row, k) =>
      writer.value(a.id, inBatch(writer, a, shape, op.transposeA ? [k, row] : [row, k])),
    right: (writer, k, column) =>
      writer.value(b.id, inBatch(writer, b, shape, op.transposeB ? [column, k] : [k, column])),
  };
  return context.staging ? stagedProduct(context, product) : directProduct(context, product);
}

/** The place of a matrix element in the entry of `operand` that belongs to `batch`, by NumPy's broadcasting. */
function inBatch(
  { define }: ValueWriter,
  operand: GraphNode,
  shape: readonly number[],
  matrix: readonly string[],
): Place {
  const batchShape = shape.slice(0, -2);
  const entry = axesOf(flatPlace('batch'), batchShape, define);
  const added = shape.length - operand.shape.length;
  const outer = operand.shape
    .slice(0, -2)
    .map((extent, axis) => (extent === 1 ? '0u' : entry[axis + added]!));
  return axesPlace([...outer, ...matrix]);
}
