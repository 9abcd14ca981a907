import type { Tensor } from '@kora-bench/core';
import { inputsOf, nodeOf } from '@kora-bench/core';
import { scalarConstant } from './scalar-constant.js';

/** `scale · rows · op(weight) + bias`, op exchanging the axes of a matrix where `transposed`. */
export interface RowProduct {
  /** `[…, in]`; leading axes are rows, however many there are. */
  readonly rows: Tensor;
  readonly weight: Tensor;
  readonly transposed: boolean;
  readonly bias: Tensor | undefined;
  readonly scale: number;
}

/** A value without what only rearranges its rows or multiplies it by a number. */
export interface Rows {
  readonly tensor: Tensor;
  readonly scale: number;
}

/** Strips reshapes that keep the last axis, and products with a number. */
export function rowsOf(tensor: Tensor): Rows {
  let scale = 1;
  let current = tensor;
  for (;;) {
    const { op } = nodeOf(current);
    const inputs = inputsOf(current);
    if (op.kind === 'reshape' && inputs[0]!.shape.at(-1) === current.shape.at(-1) && current.rank > 0) {
      current = inputs[0]!;
    } else if (op.kind === 'binary' && op.fn === 'mul') {
      const right = scalarConstant(nodeOf(inputs[1]!));
      const factor = right ?? scalarConstant(nodeOf(inputs[0]!));
      const scaled = right === undefined ? inputs[1]! : inputs[0]!;
      if (factor === undefined || scaled.rank !== current.rank) return { tensor: current, scale };
      scale *= factor;
      current = scaled;
    } else {
      return { tensor: current, scale };
    }
  }
}

/** Reads `tensor` as a product of rows with one matrix, or `undefined` where it is none. */
export function rowProductOf(tensor: Tensor): RowProduct | undefined {
  const outer = rowsOf(tensor);
  const { op } = nodeOf(outer.tensor);
  const [x, weight, bias] = inputsOf(outer.tensor);
  if (op.kind === 'linear') {
    if (bias !== undefined && outer.scale !== 1) return undefined;
    const rows = rowsOf(x!);
    if (bias !== undefined && rows.scale !== 1)
      return { rows: x!, weight: weight!, transposed: true, bias, scale: 1 };
    return { rows: rows.tensor, weight: weight!, transposed: true, bias, scale: outer.scale * rows.scale };
  }
  if (op.kind !== 'matmul' || op.transposeA || weight!.rank !== 2) return undefined;
  const rows = rowsOf(x!);
  return {
    rows: rows.tensor,
    weight: weight!,
    transposed: op.transposeB,
    bias: undefined,
    scale: outer.scale * rows.scale,
  };
}
