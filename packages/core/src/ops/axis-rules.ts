import type { Op } from '../graph/op.js';
import type { Shape } from '../graph/shape.js';
import type { Tensor } from '../tensor/tensor.js';
import type {
  BlockContext,
  BlockRule,
  ExampleAxis,
  FollowedOperand,
  NarrowContext,
  StackContext,
  StackedOperand,
  Typed,
} from './definition.js';

/*
 * What several ops have in common in how they treat axes: where examples stay apart, how parts of a batch
 * are worked on, how equal ops are stacked, how slices move. An op spreads the set that fits it into its
 * definition, or writes rules of its own.
 */

/** Of ops that compute each element from the elements at its own position, operands broadcast. */
export const pointwise = {
  exampleAxis: (_op: Op, operands: readonly FollowedOperand[], { shape }: Typed): ExampleAxis =>
    agreedAxis(operands.map((operand) => broadcastAxis(operand, shape))),
  blockRule: (_op: Op, context: BlockContext): BlockRule<never> | undefined => alongFirstAxis(context),
  stack: (op: Op, { operands, shape }: StackContext) =>
    operands[0]!.tensor.builder.emit(
      op,
      operands.map((operand) => alignStacked(operand, shape.length)),
    ),
  narrow: (_op: Op, { inputs, shape, axis, cut, apply }: NarrowContext) =>
    apply(
      inputs.map((input) => {
        const at = axis - (shape.length - input.rank);
        return at < 0 || input.shape[at] === 1 ? input : cut(input, at);
      }),
    ),
};

/** Of ops that combine elements along the last axis alone, all operands being of one shape but for it. */
export const alongRows = {
  exampleAxis: (_op: Op, operands: readonly FollowedOperand[], { shape }: Typed): ExampleAxis =>
    notLastAxis(agreedAxis(operands.map(({ axis }) => axis)), shape.length),
  blockRule: (_op: Op, { cut, output }: BlockContext): BlockRule<never> | undefined =>
    output.shape.length > 1 ? everyOperand(cut) : undefined,
};

/** Of ops that map each row of the first operand, with the same parameters for all rows. */
export const rowMap = {
  exampleAxis: (_op: Op, [x, ...parameters]: readonly FollowedOperand[], { shape }: Typed): ExampleAxis =>
    parameters.every(({ axis }) => axis === 'none') ? notLastAxis(x!.axis, shape.length) : 'mixed',
  blockRule: (_op: Op, { cut, output }: BlockContext): BlockRule<never> | undefined =>
    output.shape.length > 1 && onlyFirst(cut) ? { kind: 'blocks', cut } : undefined,
  narrow: (_op: Op, { inputs: [x, ...parameters], shape, axis, cut, apply }: NarrowContext) =>
    axis === shape.length - 1 ? undefined : apply([cut(x!, axis), ...parameters]),
};

/** Of ops on batches of matrices that combine elements along both of the last two axes. */
export const perMatrix = {
  exampleAxis(_op: Op, operands: readonly FollowedOperand[], { shape }: Typed): ExampleAxis {
    const axis = agreedAxis(operands.map((operand) => operand.axis));
    return typeof axis === 'number' && axis < shape.length - 2 ? axis : 'mixed';
  },
  blockRule: (_op: Op, { cut, output }: BlockContext): BlockRule<never> | undefined =>
    output.shape.length > 2 ? everyOperand(cut) : undefined,
};

/** The one axis that all operands with an axis agree on; `mixed` where they do not. */
export function agreedAxis(axes: readonly ExampleAxis[]): ExampleAxis {
  const known = new Set(axes.filter((axis) => axis !== 'none'));
  if (known.size > 1 || known.has('mixed')) return 'mixed';
  return [...known][0] ?? 'none';
}

/** A batch of one example that is repeated along its own axis no longer has one example per position. */
function broadcastAxis({ axis, shape }: FollowedOperand, to: Shape): ExampleAxis {
  if (typeof axis !== 'number') return axis;
  const at = axis + to.length - shape.length;
  return to[at] === shape[axis] ? at : 'mixed';
}

function notLastAxis(axis: ExampleAxis, rank: number): ExampleAxis {
  return axis === rank - 1 ? 'mixed' : axis;
}

/** The axis of `to` that a reshape keeps whole as axis `axis` of `from`; `undefined` where it keeps none. */
export function keptAxis(from: Shape, to: Shape, axis: number): number | undefined {
  const before = from.slice(0, axis).reduce((product, extent) => product * extent, 1);
  let product = 1;
  for (let at = 0; at < to.length; at++) {
    if (product === before && to[at] === from[axis]) return at;
    product *= to[at]!;
  }
  return undefined;
}

/** Blocks of the result come from blocks of all operands. */
export function everyOperand(cut: readonly boolean[]): BlockRule<never> {
  return { kind: 'blocks', cut: cut.map(() => true) };
}

/** Blocks of the result come from blocks of the operands that are as long along axis 0. */
export function alongFirstAxis({ cut, operands, output }: BlockContext): BlockRule<never> | undefined {
  const rank = output.shape.length;
  const long = operands.map(
    ({ shape }) => shape.length === rank && shape[0] === output.shape[0] && shape[0] !== 1,
  );
  return cut.every((isCut, i) => !isCut || long[i]) ? { kind: 'blocks', cut: long } : undefined;
}

export function onlyFirst(cut: readonly boolean[]): boolean {
  return cut[0] === true && cut.slice(1).every((isCut) => !isCut);
}

/** `shape` with one of `count` equal blocks of axis 0. */
export function blockShape(shape: Shape, count: number): Shape {
  return [shape[0]! / count, ...shape.slice(1)];
}

/** Puts axes of extent 1 behind the first, so that a stacked operand of lower rank broadcasts as the member's did. */
export function alignStacked({ tensor, shared }: StackedOperand, rank: number): Tensor {
  if (shared || tensor.rank === rank + 1) return tensor;
  const [count, ...rest] = tensor.shape;
  const shape = [count!, ...new Array<number>(rank - rest.length).fill(1), ...rest];
  return tensor.builder.emit({ kind: 'reshape', shape }, [tensor]);
}
