import type { CompositeKind, OpKind, OpOf, PrimitiveKind } from '../graph/op.js';
import type { DType, Shape } from '../graph/shape.js';
import type { HostTensor } from '../tensor/host-tensor.js';
import type { Tensor } from '../tensor/tensor.js';

/**
 * All that the suite knows of one op, in one place. What passes ask is optional, and silence is the safe
 * answer: an op that tells nothing about an axis mixes examples, is computed for the whole batch at once and
 * alone, and lets no slice through. The registry asks more of some kinds: see {@link DefinitionOf}.
 */
export interface OpDefinition<K extends OpKind> {
  /** The shape rule. @throws ShapeError | DTypeError naming the caller's line */
  infer(op: OpOf<K>, inputs: readonly Tensor[]): Typed;
  /**
   * The reference evaluation, in float64 for `f32` values: the most obvious way to compute the op.
   * It is the oracle of every test, so clarity goes before speed.
   */
  evaluate(op: OpOf<K>, inputs: readonly HostTensor[], output: Typed): HostTensor;
  /**
   * Adjoints of the inputs, `undefined` where none flows. A composite without a rule is differentiated by
   * its lowering; nothing is differentiated through a source.
   */
  gradient?(op: OpOf<K>, context: GradientContext): readonly (Tensor | undefined)[];
  /** The composite in simpler ops. */
  lower?(op: OpOf<K>, inputs: readonly Tensor[]): Tensor;
  /** Floating-point operations, a multiply-add counted as two; data movement counts nothing. */
  flops(op: OpOf<K>, inputs: readonly Typed[], output: Typed): number;
  /**
   * Told by an op without arithmetic whose operands take no more room than its result: to make the result
   * again is cheaper than to keep it. The elements of a `view` even stay where they are, in row-major order.
   * Absent: the op computes, or drops elements.
   */
  readonly rearranges?: 'view' | 'copy';
  /**
   * Where the axis of the examples goes. Asked only where at least one operand has such an axis and none is
   * `mixed`. Absent: the op combines examples.
   */
  exampleAxis?(op: OpOf<K>, operands: readonly FollowedOperand[], output: Typed): ExampleAxis;
  /**
   * How the op treats operands whose axis 0 is cut into equal blocks. Asked only where at least one operand
   * is cut. Absent, or `undefined`: the op needs the operands whole.
   */
  blockRule?(op: OpOf<K>, context: BlockContext): BlockRule<K> | undefined;
  /**
   * The op for one of `count` blocks of its result along axis 0, where all blocks are equal and made from
   * the whole operands. Absent, or `undefined`: the blocks differ.
   */
  equalBlock?(op: OpOf<K>, operands: readonly Typed[], output: Typed, count: number): OpOf<K> | undefined;
  /**
   * Applies the op to several members at once, which have equal ops and shapes: the results
   * `[count, …shape]`. Absent: each member is computed alone.
   */
  stack?(op: OpOf<K>, context: StackContext): Tensor;
  /**
   * A slice of the result along one axis, as the op on slices of its operands. Absent, or `undefined`: the
   * whole result must be computed before it is sliced.
   */
  narrow?(op: OpOf<K>, context: NarrowContext): Tensor | undefined;
}

/** Of a primitive, how gradients flow: a rule, or {@link noGradient}. Left out, training would stop silently. */
export interface PrimitiveDefinition<K extends PrimitiveKind> extends OpDefinition<K> {
  gradient(op: OpOf<K>, context: GradientContext): readonly (Tensor | undefined)[];
}

/** Of a composite, its lowering: no backend has to have a kernel for it. */
export interface CompositeDefinition<K extends CompositeKind> extends OpDefinition<K> {
  lower(op: OpOf<K>, inputs: readonly Tensor[]): Tensor;
}

/** What the registry asks of an op of kind `K`. */
export type DefinitionOf<K extends OpKind> = K extends PrimitiveKind
  ? PrimitiveDefinition<K>
  : K extends CompositeKind
    ? CompositeDefinition<K>
    : OpDefinition<K>;

/** The gradient rule of an op through which nothing can be differentiated. */
export function noGradient(): readonly (Tensor | undefined)[] {
  return [];
}

/** What an op yields. */
export interface Typed {
  readonly shape: Shape;
  readonly dtype: DType;
}

/** What a gradient rule works with. All adjoints are built as ordinary ops of the same graph. */
export interface GradientContext {
  readonly inputs: readonly Tensor[];
  /** The op's own result, for rules that reuse it. */
  readonly output: Tensor;
  /** The adjoint of the output; the same shape. */
  readonly dy: Tensor;
  /** Whether input `i` leads to anything that a gradient was asked for. */
  needs(i: number): boolean;
}

/**
 * How a value relates to the examples of a batch: `none` does not depend on them; a number is the axis
 * along which position i depends on example i alone; `mixed` combines examples.
 */
export type ExampleAxis = number | 'none' | 'mixed';

/** An operand and where its examples are. */
export interface FollowedOperand {
  readonly axis: ExampleAxis;
  readonly shape: Shape;
}

/** What a rule for blocks works with. */
export interface BlockContext {
  readonly operands: readonly Typed[];
  readonly output: Typed;
  /** Per operand, whether it comes in blocks along axis 0; at least one does. */
  readonly cut: readonly boolean[];
  /** How many blocks there are. */
  readonly count: number;
}

/** How an op treats operands whose axis 0 is cut into equal blocks. */
export type BlockRule<K extends OpKind = OpKind> =
  | {
      /** Block i of the result comes from block i of the operands marked in `cut`, and from the others whole. */
      readonly kind: 'blocks';
      /** Marks all that are cut, and others that must be cut too. */
      readonly cut: readonly boolean[];
      /** The op for one block, where its attributes name the extent of axis 0; else it is the op itself. */
      readonly op?: OpOf<K>;
    }
  | {
      /** The result is the sum over blocks of the op applied to each. */
      readonly kind: 'sum';
      readonly cut: readonly boolean[];
    };

/** An operand of a stacked op: `[count, …]` with one entry per member, or one value that all members read. */
export interface StackedOperand {
  readonly tensor: Tensor;
  readonly shared: boolean;
}

/** What a stacking rule works with. */
export interface StackContext {
  /** How many members there are. */
  readonly count: number;
  readonly operands: readonly StackedOperand[];
  /** The shape of one member's result. */
  readonly shape: Shape;
}

/** What a rule for slices works with. */
export interface NarrowContext {
  readonly inputs: readonly Tensor[];
  /** The shape of the whole result. */
  readonly shape: Shape;
  /** The axis of the result that is sliced. */
  readonly axis: number;
  /** The shape of the slice. */
  readonly narrowed: Shape;
  /** The positions of the slice along axis `axis` of `tensor`. */
  cut(tensor: Tensor, axis: number): Tensor;
  /** The same op on other inputs. */
  apply(inputs: readonly Tensor[]): Tensor;
}
