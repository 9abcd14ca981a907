import type { BinaryFn, CompareFn, DType, UnaryFn } from '@kora-bench/core';
import type { Width } from './place.js';
import { preludeName } from './prelude.js';

/** How elements are kept in a buffer: real numbers in 32 or in 16 bits. */
export type Storage = DType | 'f16';

const storedTypes = {
  f32: ['f32', 'vec4f'],
  f16: ['f16', 'vec4<f16>'],
  i32: ['i32', 'vec4i'],
  bool: ['u32', 'vec4u'],
} as const;
const computedTypes = { f32: ['f32', 'vec4f'], i32: ['i32', 'vec4i'], bool: ['bool', 'vec4<bool>'] } as const;

/** How elements, `width` at a time, are stored in a buffer. */
export function storedType(storage: Storage, width: Width): string {
  return storedTypes[storage][width === 1 ? 0 : 1];
}

/** Bytes of one element in a buffer. */
export function storedBytes(storage: Storage): number {
  return storage === 'f16' ? 2 : 4;
}

/** What elements are, `width` at a time, where they are computed. */
export function computedType(dtype: DType, width: Width): string {
  return computedTypes[dtype][width === 1 ? 0 : 1];
}

/** A number as WGSL. */
export function literal(value: number, dtype: DType): string {
  if (dtype === 'bool') return value === 0 ? 'false' : 'true';
  if (dtype === 'i32') return value < 0 ? `i32(${value})` : `${value}i`;
  if (Number.isNaN(value)) return 'not_a_number()';
  const rounded = Math.fround(value);
  if (!Number.isFinite(rounded)) return rounded > 0 ? 'infinity()' : '(-infinity())';
  return Object.is(rounded, -0) ? '(-0.0f)' : rounded < 0 ? `(${rounded}f)` : `${rounded}f`;
}

export function unary(fn: UnaryFn, x: string, width: Width): string {
  switch (fn) {
    case 'neg':
      return `-(${x})`;
    case 'reciprocal':
      return `1.0 / ${x}`;
    case 'tanh':
    case 'erf':
    case 'sign':
      return `${preludeName(`${fn}_of`, width)}(${x})`;
    case 'exp':
    case 'log':
    case 'sqrt':
    case 'abs':
      return `${fn}(${x})`;
  }
}

export function binary(fn: BinaryFn, a: string, b: string, width: Width): string {
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
      return `${preludeName('larger', width)}(${a}, ${b})`;
    case 'min':
      return `${preludeName('smaller', width)}(${a}, ${b})`;
    case 'pow':
      return `${preludeName('power', width)}(${a}, ${b})`;
  }
}

export function compare(fn: CompareFn, a: string, b: string): string {
  return `${a} ${{ equal: '==', less: '<', greater: '>' }[fn]} ${b}`;
}

export function cast(from: DType, to: DType, x: string, width: Width): string {
  if (from === to) return x;
  if (to === 'bool') return `${x} != ${computedType(from, width)}(0)`;
  return `${computedType(to, width)}(${x})`;
}
