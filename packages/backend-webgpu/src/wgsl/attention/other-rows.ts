import type { AttentionScalar } from './attention-problem.js';
import type { RowDot, Side } from './load-quad.js';

/** The rows of the other side and what is read with each. */
export interface OtherSide {
  readonly rows: number;
  readonly sides: readonly [Side, Side];
  readonly scalars: readonly AttentionScalar[];
  readonly dot?: RowDot | undefined;
}

/** Gives a kernel the rows of the other side, one after the other. */
export interface OtherRows {
  /** Groups of four numbers that they need in the memory of a workgroup; see `KernelBody`. */
  readonly staged: number;
  /** Runs `statements` for each row; within them, `quad` and `scalar` are of that row. */
  forEach(statements: string): string;
  /**
   * A `vec4f` of the row.
   * @param side which of the operands
   * @param index which of the quads that this lane works on
   */
  quad(side: 0 | 1, index: number): string;
  /** The row's number, of a scalar or the dot, by its name. */
  scalar(name: string): string;
}
