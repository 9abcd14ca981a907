import type { ReduceFn } from '../graph/op.js';
import type { Shape } from '../graph/shape.js';
import { broadcastShapes, formatShape, sameShape, sizeOf } from '../graph/shape.js';
import type { Tensor } from '../tensor/tensor.js';
import { alignStacked, blockShape, pointwise } from './axis-rules.js';
import type { PrimitiveDefinition } from './definition.js';
import { cast, div, equal, mul } from './elementwise.js';
import { broadcastIndex, broadcastReader, fill, storageFor } from './evaluation.js';
import { broadcastTo, reshape } from './layout.js';
import { requireDType, requireShape, resolveAxis } from './requirements.js';

export interface ReduceOptions {
  /** Axes to reduce, negative from the end; all by default. */
  readonly axes?: readonly number[];
  /** Keep reduced axes with extent 1. */
  readonly keepDims?: boolean;
}

export const reduceDefinition: PrimitiveDefinition<'reduce'> = {
  infer(op, [x]) {
    requireDType(op.fn, 'f32', x!);
    return { shape: reducedShape(x!.shape, op.axes, op.keepDims), dtype: 'f32' };
  },
  evaluate(op, [x], output) {
    const kept = reducedShape(x!.shape, op.axes, true);
    const target = broadcastIndex(kept, x!.shape);
    const data = storageFor('f32', sizeOf(kept));
    if (op.fn === 'max') data.fill(-Infinity);
    for (let i = 0; i < x!.data.length; i++) {
      const at = target(i);
      const value = x!.data[i]!;
      data[at] = op.fn === 'max' ? Math.max(data[at]!, value) : data[at]! + value;
    }
    const count = x!.data.length / data.length;
    return fill(output, (i) => (op.fn === 'mean' ? data[i]! / count : data[i]!));
  },
  gradient(op, { inputs, output, dy }) {
    const x = inputs[0]!;
    const kept = reducedShape(x.shape, op.axes, true);
    const spread = (y: Tensor) => broadcastTo(reshape(y, kept), x.shape);
    switch (op.fn) {
      case 'sum':
        return [spread(dy)];
      case 'mean':
        return [spread(mul(dy, sizeOf(kept) / sizeOf(x.shape)))];
      case 'max': {
        const wins = cast(equal(x, reshape(output, kept)), 'f32');
        const ties = sum(wins, { axes: op.axes, keepDims: true });
        return [mul(wins, div(reshape(dy, kept), ties))];
      }
    }
  },
  flops: (_op, [x]) => sizeOf(x!.shape),
  exampleAxis({ axes, keepDims }, [x]) {
    const { axis } = x!;
    if (typeof axis !== 'number' || axes.includes(axis)) return 'mixed';
    return keepDims ? axis : axis - axes.filter((gone) => gone < axis).length;
  },
  blockRule({ fn, axes }, { cut }) {
    if (!axes.includes(0)) return { kind: 'blocks', cut };
    return fn === 'sum' ? { kind: 'sum', cut } : undefined;
  },
  stack: (op, { operands: [x] }) =>
    x!.tensor.builder.emit({ ...op, axes: op.axes.map((axis) => axis + 1) }, [x!.tensor]),
};

export const broadcastDefinition: PrimitiveDefinition<'broadcast'> = {
  infer(op, [x]) {
    const shape = broadcastShapes(x!.shape, op.shape);
    requireShape(
      shape !== undefined && sameShape(shape, op.shape),
      `broadcastTo cannot make ${formatShape(op.shape)}.`,
      'a shape that broadcasts to it by NumPy’s rules',
      x!,
    );
    return { shape: op.shape, dtype: x!.dtype };
  },
  evaluate(op, [x], output) {
    return fill(output, broadcastReader(x!, op.shape));
  },
  gradient: (_op, { inputs, dy }) => [sumTo(dy, inputs[0]!.shape)],
  flops: () => 0,
  rearranges: 'copy',
  exampleAxis: pointwise.exampleAxis,
  blockRule: (op, { operands: [x], output: { shape }, cut, count }) =>
    x!.shape.length === shape.length && x!.shape[0] === shape[0]
      ? { kind: 'blocks', cut, op: { ...op, shape: blockShape(shape, count) } }
      : undefined,
  equalBlock: (op, [x], { shape }, count) =>
    x!.shape.length < shape.length || x!.shape[0] === 1
      ? { ...op, shape: blockShape(shape, count) }
      : undefined,
  stack: (op, { count, operands: [x], shape }) =>
    x!.tensor.builder.emit({ ...op, shape: [count, ...op.shape] }, [alignStacked(x!, shape.length)]),
};

function reducedShape(shape: Shape, axes: readonly number[], keepDims: boolean): Shape {
  const gone = new Set(axes);
  return keepDims
    ? shape.map((extent, axis) => (gone.has(axis) ? 1 : extent))
    : shape.filter((_, axis) => !gone.has(axis));
}

function reduce(fn: ReduceFn, x: Tensor, { axes, keepDims = false }: ReduceOptions): Tensor {
  const all =
    axes === undefined ? x.shape.map((_, axis) => axis) : axes.map((axis) => resolveAxis(axis, x.rank));
  const unique = [...new Set(all)].sort((a, b) => a - b);
  if (unique.length === 0) return x;
  return x.builder.emit({ kind: 'reduce', fn, axes: unique, keepDims }, [x]);
}

export const sum = (x: Tensor, options: ReduceOptions = {}): Tensor => reduce('sum', x, options);
export const mean = (x: Tensor, options: ReduceOptions = {}): Tensor => reduce('mean', x, options);
/** Largest element; where several are equal the gradient is shared evenly. */
export const max = (x: Tensor, options: ReduceOptions = {}): Tensor => reduce('max', x, options);

/** Sums `x` over the axes along which `shape` was broadcast, so that the result has `shape`. */
export function sumTo(x: Tensor, shape: Shape): Tensor {
  if (sameShape(x.shape, shape)) return x;
  const lead = x.rank - shape.length;
  const axes = x.shape.flatMap((extent, axis) =>
    axis < lead || (shape[axis - lead] === 1 && extent !== 1) ? [axis] : [],
  );
  return reshape(sum(x, { axes }), shape);
}
