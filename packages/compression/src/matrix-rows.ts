import type { Shape } from '@kora-bench/core/graph';
import { sizeOf } from '@kora-bench/core/graph';

/** A matrix `[rows, columns]`. */
export interface MatrixSize {
  readonly rows: number;
  readonly columns: number;
}

/**
 * A tensor as a matrix: axes of size 1 in front dropped, the first of the others as rows, the rest flattened. A vector is
 * one row.
 */
export function matrixOf(shape: Shape): MatrixSize {
  const first = shape.findIndex((extent) => extent !== 1);
  const kept = first < 0 ? [] : shape.slice(first);
  return kept.length < 2
    ? { rows: 1, columns: sizeOf(kept) }
    : { rows: kept[0]!, columns: sizeOf(kept.slice(1)) };
}

/**
 * The rows that share a scale run along the longer side, so that there are few of them: a tall matrix such as B `[D, r]` of
 * a low-rank pair has r rows of D values.
 */
export function rowsAlong({ rows, columns }: MatrixSize): {
  readonly count: number;
  readonly length: number;
} {
  return { count: Math.min(rows, columns), length: Math.max(rows, columns) };
}

/** Row-major values `[rows, columns]` as rows along the longer side, one after the other. */
export function toRows(values: Float64Array, size: MatrixSize): Float64Array {
  return size.rows > size.columns ? transposed(values, size) : values;
}

/** Undoes {@link toRows}. */
export function fromRows(values: Float64Array, { rows, columns }: MatrixSize): Float64Array {
  return rows > columns ? transposed(values, { rows: columns, columns: rows }) : values;
}

function transposed(values: Float64Array, { rows, columns }: MatrixSize): Float64Array {
  const turned = new Float64Array(values.length);
  for (let row = 0; row < rows; row++)
    for (let column = 0; column < columns; column++)
      turned[column * rows + row] = values[row * columns + column]!;
  return turned;
}
