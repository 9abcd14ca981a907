import { DTypeError } from '../errors/kora-error.js';
import type { BinaryFn, CompareFn, UnaryFn } from '../graph/op.js';
import type { DType } from '../graph/shape.js';
import type { Tensor } from '../tensor/tensor.js';
import { callerLine } from './requirements.js';
import { constant } from './sources.js';

/** An operand of an elementwise op: a tensor, or a number that becomes a constant. */
export type Operand = Tensor | number;

/** Makes both operands tensors of one graph; numbers become constants. */
function operands(x: Operand, y: Operand): [Tensor, Tensor] {
  if (typeof x !== 'number') return [x, typeof y === 'number' ? constant(x.builder, y) : y];
  if (typeof y !== 'number') return [constant(y.builder, x), y];
  throw new DTypeError('An elementwise op needs a tensor among its operands.', {
    expected: 'at least one tensor',
    received: 'two numbers',
    where: callerLine(),
  });
}

function unary(fn: UnaryFn, x: Tensor): Tensor {
  return x.builder.emit({ kind: 'unary', fn }, [x]);
}

function binary(fn: BinaryFn, x: Operand, y: Operand): Tensor {
  const [a, b] = operands(x, y);
  return a.builder.emit({ kind: 'binary', fn }, [a, b]);
}

function compare(fn: CompareFn, x: Operand, y: Operand): Tensor {
  const [a, b] = operands(x, y);
  return a.builder.emit({ kind: 'compare', fn }, [a, b]);
}

export const neg = (x: Tensor): Tensor => unary('neg', x);
export const exp = (x: Tensor): Tensor => unary('exp', x);
/** Natural logarithm. */
export const log = (x: Tensor): Tensor => unary('log', x);
export const sqrt = (x: Tensor): Tensor => unary('sqrt', x);
export const tanh = (x: Tensor): Tensor => unary('tanh', x);
/** The error function, 2/√π ∫₀ˣ e^(−t²) dt. */
export const erf = (x: Tensor): Tensor => unary('erf', x);
export const abs = (x: Tensor): Tensor => unary('abs', x);
/** −1, 0 or 1. No gradient flows through it. */
export const sign = (x: Tensor): Tensor => unary('sign', x);
export const reciprocal = (x: Tensor): Tensor => unary('reciprocal', x);

export const add = (x: Operand, y: Operand): Tensor => binary('add', x, y);
export const sub = (x: Operand, y: Operand): Tensor => binary('sub', x, y);
export const mul = (x: Operand, y: Operand): Tensor => binary('mul', x, y);
export const div = (x: Operand, y: Operand): Tensor => binary('div', x, y);
/** Elementwise maximum; where both are equal the gradient is shared evenly. */
export const maximum = (x: Operand, y: Operand): Tensor => binary('max', x, y);
/** Elementwise minimum; where both are equal the gradient is shared evenly. */
export const minimum = (x: Operand, y: Operand): Tensor => binary('min', x, y);
export const pow = (x: Operand, y: Operand): Tensor => binary('pow', x, y);

export const equal = (x: Operand, y: Operand): Tensor => compare('equal', x, y);
export const less = (x: Operand, y: Operand): Tensor => compare('less', x, y);
export const greater = (x: Operand, y: Operand): Tensor => compare('greater', x, y);

/** `x` where `condition` holds, else `y`; all three broadcast. */
export function where(condition: Tensor, x: Operand, y: Operand): Tensor {
  const { builder } = condition;
  const tensor = (operand: Operand) => (typeof operand === 'number' ? constant(builder, operand) : operand);
  return builder.emit({ kind: 'where' }, [condition, tensor(x), tensor(y)]);
}

/** Converts elements; to `i32` truncates, to `bool` is `≠ 0`. */
export function cast(x: Tensor, to: DType): Tensor {
  return x.dtype === to ? x : x.builder.emit({ kind: 'cast', to }, [x]);
}
