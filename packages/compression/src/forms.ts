import type { Shape } from '@kora-bench/core/graph';
import { matrixOf } from './matrix-rows.js';

/** A way to write an update down, from exact to coarse. */
export type Form =
  /** Every bit of the trained values. */
  | { readonly kind: 'float32' }
  /** IEEE 754 binary16. */
  | { readonly kind: 'float16' }
  /** 2^bits equally spaced values in each row; 2 … 8 bits. */
  | { readonly kind: 'quantised'; readonly bits: number }
  /** The smallest entries of each tensor left out, and the rest quantised. */
  | {
      readonly kind: 'pruned';
      /** Percent of the entries that are left out, 1 … 99. */
      readonly removed: number;
      readonly bits: number;
    }
  /** The largest singular values of each matrix, their vectors quantised; other tensors quantised whole. */
  | { readonly kind: 'low-rank'; readonly rank: number; readonly bits: number };

/** `4 bits`, `90 % pruned, 8 bits`, `rank 2, 8 bits`. */
export function formName(form: Form): string {
  switch (form.kind) {
    case 'float32':
    case 'float16':
      return form.kind;
    case 'quantised':
      return `${form.bits} bits`;
    case 'pruned':
      return `${form.removed} % pruned, ${form.bits} bits`;
    case 'low-rank':
      return `rank ${form.rank}, ${form.bits} bits`;
  }
}

/** Bits of what is pruned or truncated besides. */
const bitsBeside = 8;

/** Whether factors of a rank have fewer entries than the matrix `[m, n]` itself: rank·(m + n) < m·n. */
export function isFactored(shape: Shape, rank: number): boolean {
  const { rows, columns } = matrixOf(shape);
  return rank * (rows + columns) < rows * columns;
}

/**
 * The forms that an update is measured in: float32, float16, 8, 6, 4, 3 and 2 bits; 50, 75, 90 and 95 % pruned; and the
 * ranks 1, 2, 4, … at which the factors of at least one tensor have fewer entries than the tensor.
 */
export function formsFor(shapes: readonly Shape[]): Form[] {
  const ranks: number[] = [];
  for (let rank = 1; shapes.some((shape) => isFactored(shape, rank)); rank *= 2) ranks.push(rank);
  return [
    { kind: 'float32' },
    { kind: 'float16' },
    ...[8, 6, 4, 3, 2].map((bits): Form => ({ kind: 'quantised', bits })),
    ...[50, 75, 90, 95].map((removed): Form => ({ kind: 'pruned', removed, bits: bitsBeside })),
    ...ranks.map((rank): Form => ({ kind: 'low-rank', rank, bits: bitsBeside })),
  ];
}
