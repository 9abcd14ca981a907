import { ShapeError } from '../errors/kora-error.js';
import type { Shape } from '../graph/shape.js';
import { sameShape, sizeOf, stridesOf } from '../graph/shape.js';
import type { HostTensor } from '../tensor/host-tensor.js';
import type { Tensor } from '../tensor/tensor.js';
import { agreedAxis, blockShape, everyOperand } from './axis-rules.js';
import type { ExampleAxis, FollowedOperand, PrimitiveDefinition, Typed } from './definition.js';
import { storageFor } from './evaluation.js';
import { callerLine, requireDType, requireShape, resolveAxis } from './requirements.js';

export const sliceDefinition: PrimitiveDefinition<'slice'> = {
  infer(op, [x]) {
    const fits =
      op.starts.length === x!.rank &&
      op.ends.length === x!.rank &&
      x!.shape.every(
        (extent, axis) =>
          0 <= op.starts[axis]! && op.starts[axis]! < op.ends[axis]! && op.ends[axis]! <= extent,
      );
    requireShape(
      fits,
      `slice from [${op.starts.join(', ')}] to [${op.ends.join(', ')}] is not inside.`,
      '0 ≤ start < end ≤ extent on every axis',
      x!,
    );
    return { shape: op.starts.map((start, axis) => op.ends[axis]! - start), dtype: x!.dtype };
  },
  evaluate(op, [x], output) {
    const data = storageFor(output.dtype, sizeOf(output.shape));
    copyBlock(
      { tensor: x!, at: op.starts },
      { tensor: { ...output, data }, at: output.shape.map(() => 0) },
      output.shape,
    );
    return { ...output, data };
  },
  gradient(op, { inputs, dy }) {
    const x = inputs[0]!;
    return [
      pad(
        dy,
        op.starts,
        x.shape.map((extent, axis) => extent - op.ends[axis]!),
      ),
    ];
  },
  flops: () => 0,
  exampleAxis: (_op, [x], output) => untouchedAxis(x!, output),
  blockRule: (op, { operands: [x], output, cut, count }) =>
    output.shape[0] === x!.shape[0]
      ? { kind: 'blocks', cut, op: { ...op, ends: blockShape(op.ends, count) } }
      : undefined,
};

export const padDefinition: PrimitiveDefinition<'pad'> = {
  infer(op, [x]) {
    const fits =
      op.before.length === x!.rank &&
      op.after.length === x!.rank &&
      [...op.before, ...op.after].every((n) => n >= 0);
    requireShape(
      fits,
      `pad by [${op.before.join(', ')}] and [${op.after.join(', ')}].`,
      'one count ≥ 0 per axis and side',
      x!,
    );
    return {
      shape: x!.shape.map((extent, axis) => op.before[axis]! + extent + op.after[axis]!),
      dtype: x!.dtype,
    };
  },
  evaluate(op, [x], output) {
    const data = storageFor(output.dtype, sizeOf(output.shape));
    copyBlock(
      { tensor: x!, at: x!.shape.map(() => 0) },
      { tensor: { ...output, data }, at: op.before },
      x!.shape,
    );
    return { ...output, data };
  },
  gradient(op, { inputs, dy }) {
    const x = inputs[0]!;
    return [
      slice(
        dy,
        op.before,
        x.shape.map((extent, axis) => op.before[axis]! + extent),
      ),
    ];
  },
  flops: () => 0,
  exampleAxis: (_op, [x], output) => untouchedAxis(x!, output),
  blockRule: (_op, { operands: [x], output, cut }) =>
    output.shape[0] === x!.shape[0] ? { kind: 'blocks', cut } : undefined,
};

export const concatDefinition: PrimitiveDefinition<'concat'> = {
  infer(op, inputs) {
    const [first] = inputs;
    const shape = [...first!.shape];
    shape[op.axis] = 0;
    for (const input of inputs) {
      requireDType('concat', first!.dtype, input);
      const fits =
        input.rank === first!.rank &&
        input.shape.every((extent, axis) => axis === op.axis || extent === shape[axis]);
      requireShape(
        fits,
        `concat along axis ${op.axis} got shapes that differ elsewhere.`,
        'equal extents on all other axes',
        first!,
        input,
      );
      shape[op.axis]! += input.shape[op.axis]!;
    }
    return { shape, dtype: first!.dtype };
  },
  evaluate(op, inputs, output) {
    const data = storageFor(output.dtype, sizeOf(output.shape));
    const at = output.shape.map(() => 0);
    for (const input of inputs) {
      copyBlock(
        { tensor: input, at: input.shape.map(() => 0) },
        { tensor: { ...output, data }, at },
        input.shape,
      );
      at[op.axis]! += input.shape[op.axis]!;
    }
    return { ...output, data };
  },
  gradient(op, { inputs, dy, needs }) {
    let offset = 0;
    return inputs.map((input, i) => {
      const start = offset;
      offset += input.shape[op.axis]!;
      return needs(i) ? narrow(dy, op.axis, start, offset) : undefined;
    });
  },
  flops: () => 0,
  rearranges: 'copy',
  exampleAxis(op, operands) {
    // A part that depends on no example repeats the same values along the batch axis: no mixing.
    const axis = agreedAxis(operands.map((operand) => operand.axis));
    return axis === op.axis ? 'mixed' : axis;
  },
  blockRule: (op, { cut }) => (op.axis === 0 ? undefined : everyOperand(cut)),
};

/** The axis of the examples, where all of them are kept and none is added. */
function untouchedAxis({ axis, shape }: FollowedOperand, output: Typed): ExampleAxis {
  return typeof axis === 'number' && shape[axis] === output.shape[axis] ? axis : 'mixed';
}

/** Where a block begins in a tensor. */
interface Corner {
  readonly tensor: HostTensor;
  readonly at: readonly number[];
}

function copyBlock(from: Corner, to: Corner, block: Shape): void {
  const fromStrides = stridesOf(from.tensor.shape);
  const toStrides = stridesOf(to.tensor.shape);
  const walk = (axis: number, source: number, target: number): void => {
    if (axis === block.length) {
      to.tensor.data[target] = from.tensor.data[source]!;
      return;
    }
    for (let i = 0; i < block[axis]!; i++) {
      walk(
        axis + 1,
        source + (from.at[axis]! + i) * fromStrides[axis]!,
        target + (to.at[axis]! + i) * toStrides[axis]!,
      );
    }
  };
  walk(0, 0, 0);
}

/** The block from `starts` (inclusive) to `ends` (exclusive), one pair per axis. */
export function slice(x: Tensor, starts: readonly number[], ends: readonly number[]): Tensor {
  const whole = starts.every((start) => start === 0) && sameShape(ends, x.shape);
  return whole ? x : x.builder.emit({ kind: 'slice', starts: [...starts], ends: [...ends] }, [x]);
}

/** Elements `start` … `end`−1 along one axis, everything along the others. */
export function narrow(x: Tensor, axis: number, start: number, end: number): Tensor {
  const along = resolveAxis(axis, x.rank);
  const starts = x.shape.map((_, i) => (i === along ? start : 0));
  const ends = x.shape.map((extent, i) => (i === along ? end : extent));
  return slice(x, starts, ends);
}

/** Zeros around `x`: `before[i]` and `after[i]` of them along axis `i`. */
export function pad(x: Tensor, before: readonly number[], after: readonly number[]): Tensor {
  const nothing = [...before, ...after].every((count) => count === 0);
  return nothing ? x : x.builder.emit({ kind: 'pad', before: [...before], after: [...after] }, [x]);
}

/** Joins tensors along one axis. */
export function concat(tensors: readonly Tensor[], axis: number): Tensor {
  const [first] = tensors;
  if (first === undefined) {
    throw new ShapeError('concat got no tensors.', {
      expected: 'at least one tensor',
      received: 'none',
      where: callerLine(),
    });
  }
  return tensors.length === 1
    ? first
    : first.builder.emit({ kind: 'concat', axis: resolveAxis(axis, first.rank) }, tensors);
}
