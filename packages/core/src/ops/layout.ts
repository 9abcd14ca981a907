import type { Shape } from '../graph/shape.js';
import { formatShape, sameShape, sizeOf, stridesOf } from '../graph/shape.js';
import type { Tensor } from '../tensor/tensor.js';
import { blockShape, keptAxis } from './axis-rules.js';
import type { PrimitiveDefinition } from './definition.js';
import { noGradient } from './definition.js';
import { fill } from './evaluation.js';
import { requireDType, requireShape } from './requirements.js';

export const reshapeDefinition: PrimitiveDefinition<'reshape'> = {
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
  rearranges: 'view',
  exampleAxis: (_op, [x], { shape }) =>
    typeof x!.axis === 'number' ? (keptAxis(x!.shape, shape, x!.axis) ?? 'mixed') : 'mixed',
  blockRule: (op, { cut, count }) => ({
    kind: 'blocks',
    cut,
    op: { ...op, shape: blockShape(op.shape, count) },
  }),
  stack: (op, { count, operands: [x] }) => reshape(x!.tensor, [count, ...op.shape]),
  narrow(_op, { inputs: [x], shape, axis, narrowed, cut }) {
    const at = keptAxis(shape, x!.shape, axis);
    return at === undefined ? undefined : reshape(cut(x!, at), narrowed);
  },
};

export const transposeDefinition: PrimitiveDefinition<'transpose'> = {
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
  rearranges: 'copy',
  exampleAxis: (op, [x]) => (typeof x!.axis === 'number' ? op.perm.indexOf(x!.axis) : 'mixed'),
  blockRule: (op, { cut }) => (op.perm[0] === 0 ? { kind: 'blocks', cut } : undefined),
  stack: (op, { operands: [x] }) =>
    x!.tensor.builder.emit({ ...op, perm: [0, ...op.perm.map((axis) => axis + 1)] }, [x!.tensor]),
  narrow: (op, { inputs: [x], axis, cut }) => transpose(cut(x!, op.perm[axis]!), op.perm),
};

export const oneHotDefinition: PrimitiveDefinition<'oneHot'> = {
  infer(op, [indices]) {
    requireDType('oneHot', 'i32', indices!);
    return { shape: [...indices!.shape, op.depth], dtype: 'f32' };
  },
  evaluate: (op, [indices], output) =>
    fill(output, (i) => (indices!.data[Math.floor(i / op.depth)] === i % op.depth ? 1 : 0)),
  gradient: noGradient,
  flops: () => 0,
  exampleAxis: (_op, [indices]) => indices!.axis,
  blockRule: (_op, { cut }) => ({ kind: 'blocks', cut }),
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

/** `[…] i32 → […, depth] f32`: 1 at the index, 0 elsewhere; an index outside 0 … depth−1 gives only zeros. */
export function oneHot(indices: Tensor, depth: number): Tensor {
  return indices.builder.emit({ kind: 'oneHot', depth }, [indices]);
}
