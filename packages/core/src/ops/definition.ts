import type { OpKind, OpOf } from '../graph/op.js';
import type { DType, Shape } from '../graph/shape.js';
import type { HostTensor } from '../tensor/host-tensor.js';
import type { Tensor } from '../tensor/tensor.js';

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

/** All that the suite knows of one op, in one place. */
export interface OpDefinition<K extends OpKind> {
  /** The shape rule. @throws ShapeError | DTypeError naming the caller's line */
  infer(op: OpOf<K>, inputs: readonly Tensor[]): Typed;
  /**
   * The reference evaluation, in float64 for `f32` values: the most obvious way to compute the op.
   * It is the oracle of every test, so clarity goes before speed.
   */
  evaluate(op: OpOf<K>, inputs: readonly HostTensor[], output: Typed): HostTensor;
  /**
   * Adjoints of the inputs, `undefined` where none flows. Absent for sources and for ops through
   * which nothing can be differentiated; a composite without a rule is differentiated by its lowering.
   */
  gradient?(op: OpOf<K>, context: GradientContext): readonly (Tensor | undefined)[];
  /** The composite in simpler ops. */
  lower?(op: OpOf<K>, inputs: readonly Tensor[]): Tensor;
  /** Floating-point operations, a multiply-add counted as two; data movement counts nothing. */
  flops(op: OpOf<K>, inputs: readonly Typed[], output: Typed): number;
}
