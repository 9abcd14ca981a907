import type { Shape } from '@kora-bench/core/graph';
import { sizeOf } from '@kora-bench/core/graph';
import { truncatedSvd } from '@kora-bench/core/linear-algebra';
import { joinBytes } from './byte-sections.js';
import type { Form } from './forms.js';
import { isFactored } from './forms.js';
import type { MatrixSize } from './matrix-rows.js';
import { fromRows, matrixOf, rowsAlong, toRows } from './matrix-rows.js';

/* Which rows of numbers stand for an update, and what comes of them again. Both sides follow from shapes and form alone. */

/** What rows follow from: of a form, all but how finely it rounds. */
export interface RowForm {
  readonly kind: 'quantised' | 'pruned' | 'low-rank';
  /** Of `low-rank`. */
  readonly rank?: number;
}

interface Shaped {
  readonly shape: Shape;
}

/** Rows to quantise, and for a pruned update which entries are kept: 1 or 0 for each, in the order of the rows. */
export interface UpdateRows {
  readonly rows: readonly Float64Array[];
  readonly mask?: Uint8Array;
}

/** @param differences of the tensors, row-major */
export function rowsOf(
  differences: readonly Float64Array[],
  tensors: readonly Shaped[],
  form: Extract<Form, { readonly bits: number }>,
): UpdateRows {
  const parts = differences.map((values, i) => ({ values, shape: tensors[i]!.shape }));
  if (form.kind === 'low-rank')
    return { rows: parts.flatMap(({ values, shape }) => factorRows(values, shape, form.rank)) };
  const whole = parts.flatMap(({ values, shape }) => {
    const size = matrixOf(shape);
    return { rows: toRows(values, size), length: rowsAlong(size).length };
  });
  if (form.kind === 'quantised') return { rows: whole.flatMap(({ rows, length }) => cut(rows, length)) };
  const masks = whole.map(({ rows }) => keptLargest(rows, form.removed));
  const rows = whole.flatMap(({ rows: values, length }, i) => {
    const kept = masks[i]!;
    return cut(values, length).map((row, k) => row.filter((_, j) => kept[k * length + j] === 1));
  });
  return { rows: rows.filter(({ length }) => length > 0), mask: joinBytes(masks) };
}

/** The lengths of the rows that {@link rowsOf} gives. */
export function rowLengths(tensors: readonly Shaped[], form: RowForm, mask?: Uint8Array): number[] {
  const lengths = tensors.flatMap(({ shape }) => sizesOf(shape, form).flatMap(evenLengths));
  if (mask === undefined) return lengths;
  return keptInRows(lengths, mask).filter((length) => length > 0);
}

/** The differences of every tensor, row-major, from rows as {@link rowsOf} gives them. */
export function restored(
  rows: readonly Float64Array[],
  tensors: readonly Shaped[],
  form: RowForm,
  mask?: Uint8Array,
): Float64Array[] {
  const whole = mask === undefined ? rows : filledUp(rows, tensors, form, mask);
  let at = 0;
  const next = (size: MatrixSize): Float64Array => {
    const { count, length } = rowsAlong(size);
    const values = new Float64Array(count * length);
    for (let row = 0; row < count; row++) values.set(whole[at++]!, row * length);
    return fromRows(values, size);
  };
  return tensors.map(({ shape }) => {
    const parts = sizesOf(shape, form).map(next);
    const [first, second] = parts;
    if (first === undefined) return new Float64Array(0);
    return second === undefined ? first : product(first, second, { ...matrixOf(shape), rank: form.rank! });
  });
}

/** The matrices that stand for a tensor: itself, or the factors `[m, rank]` and `[n, rank]`. */
function sizesOf(shape: Shape, form: RowForm): MatrixSize[] {
  const size = matrixOf(shape);
  if (sizeOf(shape) === 0) return [];
  if (form.kind !== 'low-rank' || form.rank === undefined || !isFactored(shape, form.rank)) return [size];
  return [size.rows, size.columns].map((rows) => ({ rows, columns: form.rank! }));
}

/** U·√S and V·√S of the largest singular values, or the matrix itself where they would have more entries. */
function factorRows(values: Float64Array, shape: Shape, rank: number): Float64Array[] {
  const size = matrixOf(shape);
  if (!isFactored(shape, rank)) return cut(toRows(values, size), rowsAlong(size).length);
  const { values: singular, left, right } = truncatedSvd(values, size.rows, size.columns, rank);
  // Each vector is a column of its factor, and so a row along the longer side.
  return [left, right].flatMap((vectors) =>
    vectors.map((vector, k) => vector.map((x) => x * Math.sqrt(singular[k]!))),
  );
}

function product(
  left: Float64Array,
  right: Float64Array,
  { rows, columns, rank }: MatrixSize & { readonly rank: number },
): Float64Array {
  const values = new Float64Array(rows * columns);
  for (let i = 0; i < rows; i++)
    for (let j = 0; j < columns; j++) {
      let sum = 0;
      for (let k = 0; k < rank; k++) sum += left[i * rank + k]! * right[j * rank + k]!;
      values[i * columns + j] = sum;
    }
  return values;
}

/** 0 for the `removed` percent of smallest magnitude, rounded down; of equal ones the first go. */
function keptLargest(values: Float64Array, removed: number): Uint8Array {
  const kept = new Uint8Array(values.length).fill(1);
  let left = Math.floor((removed * values.length) / 100);
  if (left === 0) return kept;
  const threshold = values.map(Math.abs).sort()[left - 1]!;
  for (const [i, value] of values.entries()) {
    if (Math.abs(value) >= threshold) continue;
    kept[i] = 0;
    left--;
  }
  for (let i = 0; left > 0; i++) {
    if (Math.abs(values[i]!) !== threshold) continue;
    kept[i] = 0;
    left--;
  }
  return kept;
}

function evenLengths(size: MatrixSize): number[] {
  const { count, length } = rowsAlong(size);
  return Array.from({ length: count }, () => length);
}

function keptInRows(lengths: readonly number[], mask: Uint8Array): number[] {
  let at = 0;
  return lengths.map((length) => {
    at += length;
    return mask.subarray(at - length, at).reduce((sum, kept) => sum + kept, 0);
  });
}

/** Rows of kept values as rows with zeros between them. */
function filledUp(
  rows: readonly Float64Array[],
  tensors: readonly Shaped[],
  form: RowForm,
  mask: Uint8Array,
): Float64Array[] {
  let [at, next] = [0, 0];
  return tensors
    .flatMap(({ shape }) => sizesOf(shape, form).flatMap(evenLengths))
    .map((length) => {
      const own = mask.subarray(at, at + length);
      at += length;
      const full = new Float64Array(length);
      if (!own.includes(1)) return full;
      const values = rows[next++]!;
      let place = 0;
      for (let i = 0; i < length; i++) if (own[i] === 1) full[i] = values[place++]!;
      return full;
    });
}

function cut(values: Float64Array, length: number): Float64Array[] {
  return Array.from({ length: length === 0 ? 0 : values.length / length }, (_, row) =>
    values.subarray(row * length, (row + 1) * length),
  );
}
