import { InternalError } from '@kora-bench/core/errors';
import type { BinaryFn, CompareFn, DType, UnaryFn } from '@kora-bench/core/graph';
import type { Width } from './element-index.js';

/** How many bits real numbers are kept in. */
export type Precision = 'f32' | 'f16';

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

/** An elementwise function of one argument as WGSL. */
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

/** An elementwise function of two arguments as WGSL. */
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

/** A comparison as WGSL. */
export function compare(fn: CompareFn, a: string, b: string): string {
  return `${a} ${{ equal: '==', less: '<', greater: '>' }[fn]} ${b}`;
}

/** A number of another type as WGSL. */
export function cast(from: DType, to: DType, x: string, width: Width): string {
  if (from === to) return x;
  if (to === 'bool') return `${x} != ${computedType(from, width)}(0)`;
  return `${computedType(to, width)}(${x})`;
}

/** A WGSL function for one element or four at once. */
interface Definition {
  /** `T` stands for the type of the numbers, `U` for unsigned integers and `P` for truth values of its width. */
  readonly code: string;
  readonly uses?: readonly string[];
}

/*
 * WGSL has no literals for infinity and NaN and lets an implementation assume that neither occurs in
 * constant expressions, so they are made from bits that a compiler cannot see.
 */
const definitions: Readonly<Record<string, Definition>> = {
  infinity: {
    code: `var<private> infinity_bits_: u32 = 0x7f800000u;
fn infinity_() -> T { return T(bitcast<f32>(infinity_bits_)); }`,
  },
  not_a_number: {
    code: `var<private> nan_bits_: u32 = 0x7fc00000u;
fn not_a_number_() -> T { return T(bitcast<f32>(nan_bits_)); }`,
  },
  is_nan: { code: 'fn is_nan_(x: T) -> P { return (bitcast<U>(x) & U(0x7fffffffu)) > U(0x7f800000u); }' },
  is_finite: {
    code: 'fn is_finite_(x: T) -> P { return (bitcast<U>(x) & U(0x7fffffffu)) < U(0x7f800000u); }',
  },
  // NumPy's maximum and minimum: NaN wins.
  larger: {
    code: `fn larger_(a: T, b: T) -> T {
return select(select(select(b, a, a > b), b, is_nan_(b)), a, is_nan_(a));
}`,
    uses: ['is_nan'],
  },
  smaller: {
    code: `fn smaller_(a: T, b: T) -> T {
return select(select(select(b, a, a < b), b, is_nan_(b)), a, is_nan_(a));
}`,
    uses: ['is_nan'],
  },
  sign_of: {
    code: `fn sign_of_(x: T) -> T {
return select(select(select(T(0.0), T(-1.0), x < T(0.0)), T(1.0), x > T(0.0)), x, is_nan_(x));
}`,
    uses: ['is_nan'],
  },
  // Beyond 10, tanh is 1 in float32; some drivers compute it from exponentials that overflow.
  tanh_of: {
    code: 'fn tanh_of_(x: T) -> T { return select(tanh(clamp(x, T(-10.0), T(10.0))), x, is_nan_(x)); }',
    uses: ['is_nan'],
  },
  // Abramowitz and Stegun, Handbook of Mathematical Functions: 7.1.5 near zero, 7.1.26 elsewhere.
  erf_of: {
    code: `fn erf_of_(x: T) -> T {
let s = x * x;
let near = 1.1283791671 * x * (1.0 + s * (-0.33333333 + s * (0.1 + s * (-0.023809524 + s * (0.0046296296 + s * (-0.00075757576 + s * 0.00010683761))))));
let a = abs(x);
let b = min(a, T(6.0));
let t = 1.0 / (1.0 + 0.3275911 * b);
let p = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))));
let y = 1.0 - p * exp(-b * b);
let far = select(y, -y, x < T(0.0));
return select(select(far, near, a < T(0.5)), x, is_nan_(x));
}`,
    uses: ['is_nan'],
  },
  normal_cumulative: {
    code: 'fn normal_cumulative_(x: T) -> T { return erf_of_(x * 0.70710678) * 0.5 + 0.5; }',
    uses: ['erf_of'],
  },
  gelu_of: {
    code: 'fn gelu_of_(x: T) -> T { return x * normal_cumulative_(x); }',
    uses: ['normal_cumulative'],
  },
  gelu_grad_of: {
    code: `fn gelu_grad_of_(x: T, dy: T) -> T {
return dy * (normal_cumulative_(x) + x * (exp(x * x * -0.5) * 0.39894228));
}`,
    uses: ['normal_cumulative'],
  },
  power: {
    code: `fn power_(x: T, y: T) -> T {
let a = abs(x);
let zero = T(0.0);
let endless = infinity_();
var m = exp2(y * log2(a));
m = select(m, select(zero, endless, (a > T(1.0)) == (y > zero)), !is_finite_(y));
m = select(m, select(zero, endless, y > zero), !is_finite_(a));
m = select(m, T(1.0), a == T(1.0));
m = select(m, select(endless, zero, y > zero), a == zero);
let whole = select(m, -m, fract(y * 0.5) != zero);
let broken = select(not_a_number_(), m, (a == zero) | !is_finite_(a));
var r = select(select(broken, whole, floor(y) == y), m, (x >= zero) | !is_finite_(y));
r = select(r, x * x, y == T(2.0));
r = select(r, x, y == T(1.0));
r = select(r, not_a_number_(), is_nan_(x) | is_nan_(y));
return select(r, T(1.0), y == zero);
}`,
    uses: ['infinity', 'not_a_number', 'is_nan', 'is_finite'],
  },
};

/** The name of a function of the prelude for elements taken `width` at a time. */
export function preludeName(name: string, width: Width): string {
  return width === 1 ? name : `${name}_quad`;
}

/** The functions that `code` calls, and those that they call. */
export function preludeFor(code: string): string {
  const chosen = new Map<string, string>();
  const choose = (name: string, width: Width) => {
    const full = preludeName(name, width);
    if (chosen.has(full)) return;
    const definition = definitions[name];
    if (definition === undefined) throw new InternalError(`No function ${name} in the prelude.`);
    for (const used of definition.uses ?? []) choose(used, width);
    chosen.set(full, instance(definition.code, width));
  };
  const called = /\b([a-z_]+?)(_quad)?\(/g;
  for (const [, name, quad] of code.matchAll(called))
    if (Object.hasOwn(definitions, name!)) choose(name!, quad === undefined ? 1 : 4);
  return [...chosen.values()].join('\n');
}

function instance(code: string, width: Width): string {
  const [number, unsigned, truth, suffix] =
    width === 1 ? ['f32', 'u32', 'bool', ''] : ['vec4f', 'vec4u', 'vec4<bool>', '_quad'];
  return code
    .replace(/\bT\b/g, number!)
    .replace(/\bU\b/g, unsigned!)
    .replace(/\bP\b/g, truth!)
    .replace(/\b([a-z_]+)_\b/g, `$1${suffix}`);
}
