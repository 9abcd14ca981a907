import type { BinaryFn, CompareFn, UnaryFn } from '../graph/op.js';
import { broadcastShapes, sizeOf } from '../graph/shape.js';
import type { Tensor } from '../tensor/tensor.js';
import { pointwise } from './axis-rules.js';
import type { PrimitiveDefinition } from './definition.js';
import { noGradient } from './definition.js';
import { cast, div, equal, exp, greater, less, log, mul, neg, pow, sign, sub, where } from './elementwise.js';
import { broadcastReader, erf, fill } from './evaluation.js';
import { sumTo } from './reduce.js';
import { requireDType, requireShape } from './requirements.js';

const unaryValue: Record<UnaryFn, (x: number) => number> = {
  neg: (x) => -x,
  exp: Math.exp,
  log: Math.log,
  sqrt: Math.sqrt,
  tanh: Math.tanh,
  erf,
  abs: Math.abs,
  sign: Math.sign,
  reciprocal: (x) => 1 / x,
};

const binaryValue: Record<BinaryFn, (x: number, y: number) => number> = {
  add: (x, y) => x + y,
  sub: (x, y) => x - y,
  mul: (x, y) => x * y,
  div: (x, y) => x / y,
  max: Math.max,
  min: Math.min,
  pow: (x, y) => x ** y,
};

const compareValue: Record<CompareFn, (x: number, y: number) => boolean> = {
  equal: (x, y) => x === y,
  less: (x, y) => x < y,
  greater: (x, y) => x > y,
};

export const unaryDefinition: PrimitiveDefinition<'unary'> = {
  ...pointwise,
  infer(op, [x]) {
    requireDType(op.fn, 'f32', x!);
    return { shape: x!.shape, dtype: 'f32' };
  },
  evaluate(op, [x], output) {
    const value = unaryValue[op.fn];
    return fill(output, (i) => value(x!.data[i]!));
  },
  gradient(op, { inputs, output: y, dy }) {
    const x = inputs[0]!;
    switch (op.fn) {
      case 'neg':
        return [neg(dy)];
      case 'exp':
        return [mul(dy, y)];
      case 'log':
        return [div(dy, x)];
      case 'sqrt':
        return [div(mul(dy, 0.5), y)];
      case 'tanh':
        return [mul(dy, sub(1, mul(y, y)))];
      case 'erf':
        return [mul(dy, mul(exp(neg(mul(x, x))), 2 / Math.sqrt(Math.PI)))];
      case 'abs':
        return [mul(dy, sign(x))];
      case 'sign':
        return [undefined];
      case 'reciprocal':
        return [neg(mul(dy, mul(y, y)))];
    }
  },
  flops: (_op, _inputs, output) => sizeOf(output.shape),
};

export const binaryDefinition: PrimitiveDefinition<'binary'> = {
  ...pointwise,
  infer(op, [x, y]) {
    requireDType(op.fn, 'f32', x!, y!);
    return { shape: broadcast(op.fn, x!, y!), dtype: 'f32' };
  },
  evaluate(op, [x, y], output) {
    const value = binaryValue[op.fn];
    const [readX, readY] = [broadcastReader(x!, output.shape), broadcastReader(y!, output.shape)];
    return fill(output, (i) => value(readX(i), readY(i)));
  },
  gradient(op, { inputs, output, dy, needs }) {
    const [x, y] = [inputs[0]!, inputs[1]!];
    const forX = (build: () => Tensor) => (needs(0) ? sumTo(build(), x.shape) : undefined);
    const forY = (build: () => Tensor) => (needs(1) ? sumTo(build(), y.shape) : undefined);
    switch (op.fn) {
      case 'add':
        return [forX(() => dy), forY(() => dy)];
      case 'sub':
        return [forX(() => dy), forY(() => neg(dy))];
      case 'mul':
        return [forX(() => mul(dy, y)), forY(() => mul(dy, x))];
      case 'div':
        return [forX(() => div(dy, y)), forY(() => neg(div(mul(dy, output), y)))];
      case 'max':
      case 'min': {
        const wins = op.fn === 'max' ? greater(x, y) : less(x, y);
        const share = where(equal(x, y), 0.5, cast(wins, 'f32'));
        return [forX(() => mul(dy, share)), forY(() => mul(dy, sub(1, share)))];
      }
      case 'pow':
        return [forX(() => mul(dy, mul(y, pow(x, sub(y, 1))))), forY(() => mul(dy, mul(output, log(x))))];
    }
  },
  flops: (_op, _inputs, output) => sizeOf(output.shape),
};

export const compareDefinition: PrimitiveDefinition<'compare'> = {
  ...pointwise,
  infer(op, [x, y]) {
    if (x!.dtype !== y!.dtype) requireDType(op.fn, x!.dtype, y!);
    return { shape: broadcast(op.fn, x!, y!), dtype: 'bool' };
  },
  evaluate(op, [x, y], output) {
    const value = compareValue[op.fn];
    const [readX, readY] = [broadcastReader(x!, output.shape), broadcastReader(y!, output.shape)];
    return fill(output, (i) => (value(readX(i), readY(i)) ? 1 : 0));
  },
  gradient: noGradient,
  flops: (_op, _inputs, output) => sizeOf(output.shape),
};

export const whereDefinition: PrimitiveDefinition<'where'> = {
  ...pointwise,
  infer(_op, [condition, x, y]) {
    requireDType('where(condition)', 'bool', condition!);
    if (x!.dtype !== y!.dtype) requireDType('where', x!.dtype, y!);
    const values = broadcast('where', x!, y!);
    const shape = broadcastShapes(values, condition!.shape);
    requireShape(
      shape !== undefined,
      'where cannot broadcast its operands.',
      'shapes that broadcast',
      condition!,
      x!,
      y!,
    );
    return { shape: shape!, dtype: x!.dtype };
  },
  evaluate(_op, inputs, output) {
    const [condition, x, y] = inputs.map((input) => broadcastReader(input, output.shape));
    return fill(output, (i) => (condition!(i) !== 0 ? x!(i) : y!(i)));
  },
  gradient(_op, { inputs, dy, needs }) {
    const [condition, x, y] = [inputs[0]!, inputs[1]!, inputs[2]!];
    return [
      undefined,
      needs(1) ? sumTo(where(condition, dy, 0), x.shape) : undefined,
      needs(2) ? sumTo(where(condition, 0, dy), y.shape) : undefined,
    ];
  },
  flops: () => 0,
};

export const castDefinition: PrimitiveDefinition<'cast'> = {
  ...pointwise,
  infer: (op, [x]) => ({ shape: x!.shape, dtype: op.to }),
  evaluate(op, [x], output) {
    if (op.to === 'bool') return fill(output, (i) => (x!.data[i] === 0 ? 0 : 1));
    if (op.to === 'i32') return fill(output, (i) => Math.trunc(x!.data[i]!));
    return fill(output, (i) => x!.data[i]!);
  },
  gradient: (_op, { inputs, dy }) => [inputs[0]!.dtype === 'f32' && dy.dtype === 'f32' ? dy : undefined],
  flops: () => 0,
};

function broadcast(name: string, x: Tensor, y: Tensor): readonly number[] {
  const shape = broadcastShapes(x.shape, y.shape);
  requireShape(
    shape !== undefined,
    `${name} cannot broadcast its operands.`,
    'shapes that broadcast by NumPy’s rules',
    x,
    y,
  );
  return shape!;
}
