import type { NodeId } from '@kora-bench/core/graph';
import type { ValueWriter } from '../wgsl/value-writer.js';

/** Where kernels of attention read one of q, k, v, dy or o: `[heads, rows, columns]`, stored or computed. */
export interface AttentionOperand {
  /** The element at three WGSL expressions of `u32`; statements that it needs go into the writer's lines. */
  element(writer: ValueWriter, head: string, row: string, column: string): string;
  /**
   * The elements at `column` … `column + 3` as one `vec4f`, where the operand can be read so; `column` is a
   * multiple of 4. Used only if the number of columns is a multiple of 4 too.
   */
  quad?(writer: ValueWriter, head: string, row: string, column: string): string;
}

/** Where kernels of attention read one number per query, `[heads, N]`. */
export interface AttentionScalar {
  readonly name: string;
  /** The number with the row-major index `flat`. */
  element(writer: ValueWriter, flat: string): string;
}

/** `softmax(scale·q·kᵀ)·v` for each of `heads` (batch × heads) as kernels see it. */
export interface AttentionProblem {
  /** The node that the kernel computes. */
  readonly node: NodeId;
  readonly heads: number;
  /** Rows of q, and of k and v. */
  readonly N: number;
  readonly M: number;
  /** Columns of q and k, and of v. */
  readonly d: number;
  readonly e: number;
  readonly scale: number;
  readonly q: AttentionOperand;
  readonly k: AttentionOperand;
  readonly v: AttentionOperand;
}

/** The attention whose adjoints are computed from `dy`, the adjoint of its result, `[heads, N, e]`. */
export interface AttentionGradProblem extends AttentionProblem {
  readonly dy: AttentionOperand;
  /** The logarithm of each query's sum of exponentials. */
  readonly statistics: AttentionScalar;
  /** The result of the attention, `[heads, N, e]`. */
  readonly o: AttentionOperand;
}

/**
 * The most columns that the kernels of attention take; a lane holds up to three rows of them in registers.
 * Wider ones are for the lowering.
 */
export const mostColumns = 256;

/** Whether there are kernels for rows of `d` and `e` columns. */
export function hasAttentionKernels({ d, e }: Pick<AttentionProblem, 'd' | 'e'>): boolean {
  return Math.max(d, e) <= mostColumns;
}

/** An operand and how many columns it has. */
export interface Side {
  readonly operand: AttentionOperand;
  readonly columns: number;
}

/** One number per row: the product with the row of the operand number 1 of its side. */
export interface RowDot {
  readonly name: string;
  /** As wide as that operand. */
  readonly side: Side;
}

/** How many quads (four neighbouring columns) a row has when `lanes` lanes share it evenly. */
export function quadsOf({ columns }: Side, lanes = 1): number {
  return Math.ceil(columns / (4 * lanes)) * lanes;
}

/** Four columns of a row, by WGSL expressions of `u32`. */
export interface QuadIndex {
  readonly row: string;
  readonly quad: string;
  /** How many quads `quad` may count. */
  readonly quads: number;
}

/** One quad of a row as a `vec4f`; columns beyond the last are 0. */
export function loadQuad(
  writer: ValueWriter,
  { operand, columns }: Side,
  { row, quad, quads }: QuadIndex,
): string {
  const first = writer.define(`4u * ${quad}`);
  const inside = 4 * quads === columns;
  if (operand.quad !== undefined && columns % 4 === 0) {
    if (inside) return operand.quad(writer, 'head', row, first);
    const near = writer.define(`min(${first}, ${columns - 4}u)`);
    return `select(vec4f(), ${operand.quad(writer, 'head', row, near)}, ${first} < ${columns}u)`;
  }
  const elements = [0, 1, 2, 3].map((i) => {
    const column = i === 0 ? first : writer.define(`${first} + ${i}u`);
    if (inside) return operand.element(writer, 'head', row, column);
    const near = writer.define(`min(${column}, ${columns - 1}u)`);
    return `select(0.0f, ${operand.element(writer, 'head', row, near)}, ${column} < ${columns}u)`;
  });
  return `vec4f(${elements.join(', ')})`;
}
