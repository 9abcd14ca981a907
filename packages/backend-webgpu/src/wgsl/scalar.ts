import type { BinaryFn, CompareFn, DType, GraphNode, UnaryFn } from '@kora-bench/core';

/** How an element type is stored in a buffer. */
export const storageType: Readonly<Record<DType, string>> = { f32: 'f32', i32: 'i32', bool: 'u32' };

/** A number as WGSL. */
export function literal(value: number, dtype: DType): string {
  if (dtype === 'bool') return value === 0 ? 'false' : 'true';
  if (dtype === 'i32') return value < 0 ? `i32(${value})` : `${value}i`;
  if (Number.isNaN(value)) return 'not_a_number()';
  const rounded = Math.fround(value);
  if (!Number.isFinite(rounded)) return rounded > 0 ? 'infinity()' : '(-infinity())';
  return Object.is(rounded, -0) ? '(-0.0f)' : rounded < 0 ? `(${rounded}f)` : `${rounded}f`;
}

export function unary(fn: UnaryFn, x: string): string {
  switch (fn) {
    case 'neg':
      return `-(${x})`;
    case 'reciprocal':
      return `1.0 / ${x}`;
    case 'tanh':
      return `tanh_of(${x})`;
    case 'erf':
      return `erf_of(${x})`;
    case 'sign':
      return `sign_of(${x})`;
    case 'exp':
    case 'log':
    case 'sqrt':
    case 'abs':
      return `${fn}(${x})`;
  }
}

export function binary(fn: BinaryFn, a: string, b: string): string {
  switch (fn) {
    case 'add':
      return `${a} + ${b}`;
    case 'sub':
      return `${a} - ${b}`;
    case 'mul':
      return `${a} * ${b}`;
    case 'div':
      return `${a} / ${b}`;
    case 'max':
      return `larger(${a}, ${b})`;
    case 'min':
      return `smaller(${a}, ${b})`;
    case 'pow':
      return `power(${a}, ${b})`;
  }
}

export function compare(fn: CompareFn, a: string, b: string): string {
  return `${a} ${{ equal: '==', less: '<', greater: '>' }[fn]} ${b}`;
}

export function cast(from: GraphNode['dtype'], to: DType, x: string): string {
  if (from === to) return x;
  if (to === 'bool') return `${x} != ${from}(0)`;
  return `${to}(${x})`;
}
