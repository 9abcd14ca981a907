import type { Shape } from '../graph/shape.js';
import { broadcastShapes, formatShape, sameShape, sizeOf, stridesOf } from '../graph/shape.js';
import type { Tensor } from '../tensor/tensor.js';
import type { OpDefinition } from './definition.js';
import { broadcastReader, fill } from './evaluation.js';
import { sumTo } from './reduce.js';
import { requireShape } from './requirements.js';

export const reshapeDefinition: OpDefinition<'reshape'> = {
  infer(op, [x]) {
    requireShape(
      sizeOf(op.shape) === sizeOf(x!.shape),
      `reshape cannot make ${formatShape(op.shape)}.`,
      `${sizeOf(x!.shape)} elements`,
      x!,
    );
    return { shape: op.shape, dtype: x!.dtype };
  },
  evaluate: (_op, [x], output) => ({ ...x!, shape: output.shape }),
  gradient: (_op, { inputs, dy }) => [reshape(dy, inputs[0]!.shape)],
  flops: () => 0,
};

export const transposeDefinition: OpDefinition<'transpose'> = {
  infer(op, [x]) {
    const sorted = [...op.perm].sort((a, b) => a - b);
    requireShape(
      sorted.length === x!.rank && sorted.every((axis, i) => axis === i),
      `transpose got [${op.perm.join(', ')}].`,
      `a permutation of the axes 0 … ${x!.rank - 1}`,
      x!,
    );
    return { shape: op.perm.map((axis) => x!.shape[axis]!), dtype: x!.dtype };
  },
  evaluate(op, [x], output) {
    const from = stridesOf(x!.shape);
    const to = stridesOf(output.shape);
    return fill(output, (i) => {
      let rest = i;
      let at = 0;
      for (let axis = 0; axis < to.length; axis++) {
        const position = Math.floor(rest / to[axis]!);
        rest -= position * to[axis]!;
        at += position * from[op.perm[axis]!]!;
      }
      return x!.data[at]!;
    });
  },
  gradient(op, { dy }) {
    const inverse = new Array<number>(op.perm.length);
    op.perm.forEach((axis, i) => {
      inverse[axis] = i;
    });
    return [transpose(dy, inverse)];
  },
  flops: () => 0,
};

export const broadcastDefinition: OpDefinition<'broadcast'> = {
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
};

/** The same elements, row-major, in another shape; one extent may be −1. */
export function reshape(x: Tensor, shape: Shape): Tensor {
  const known = shape.reduce((product, extent) => (extent === -1 ? product : product * extent), 1);
  const resolved = shape.map((extent) => (extent === -1 ? sizeOf(x.shape) / known : extent));
  return sameShape(resolved, x.shape) ? x : x.builder.emit({ kind: 'reshape', shape: resolved }, [x]);
}

/** Axis `i` of the result is axis `perm[i]` of `x`; reverses all axes by default. */
export function transpose(
  x: Tensor,
  perm: readonly number[] = x.shape.map((_, i) => x.rank - 1 - i),
): Tensor {
  return perm.every((axis, i) => axis === i) && perm.length === x.rank
    ? x
    : x.builder.emit({ kind: 'transpose', perm: [...perm] }, [x]);
}

/** Repeats `x` to `shape` by NumPy's rules. */
export function broadcastTo(x: Tensor, shape: Shape): Tensor {
  return sameShape(x.shape, shape) ? x : x.builder.emit({ kind: 'broadcast', shape: [...shape] }, [x]);
}
