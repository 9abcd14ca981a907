import { InternalError } from '@kora-bench/core/errors';
import type { CompositeKind, GraphNode, Op, OpOf, PrimitiveOp, SourceOp } from '@kora-bench/core/graph';
import { sizeOf } from '@kora-bench/core/graph';

/** How a node takes part in kernels. */
export type Role =
  /** Is in a buffer before the program starts. */
  | 'source'
  /** Only changes which element is read. */
  | 'view'
  /** Computes one element from one element of each operand. */
  | 'pointwise'
  /** Has a kernel of its own, which pointwise ops behind it can join. */
  | 'anchor'
  /** Is written part by part, by the kernels of its parts. */
  | 'joined'
  /** A product of few terms, computed where it is read. */
  | 'inline'
  /** A part of a sum of products, without a value of its own. */
  | 'absorbed';

/** What every backend has: a new op needs its line here, and the compiler says so. */
const basicRoles: Readonly<Record<(SourceOp | PrimitiveOp)['kind'], Role>> = {
  feed: 'source',
  frozen: 'source',
  state: 'source',
  constant: 'source',
  unary: 'pointwise',
  binary: 'pointwise',
  compare: 'pointwise',
  where: 'pointwise',
  cast: 'pointwise',
  oneHot: 'pointwise',
  reshape: 'view',
  transpose: 'view',
  broadcast: 'view',
  slice: 'view',
  pad: 'view',
  reduce: 'anchor',
  matmul: 'anchor',
  concat: 'joined',
};

/** How the composites that have kernels are computed: those that are not here are lowered. */
const compositeKernels = {
  // Along the last axis, by a kernel written from the lowering.
  layerNorm: 'rows',
  layerNormGrad: 'rows',
  softmax: 'rows',
  softmaxGrad: 'rows',
  crossEntropy: 'rows',
  crossEntropyGrad: 'rows',
  attention: 'attention',
  attentionStatistics: 'attention',
  attentionGrad: 'attention',
  gelu: 'pointwise',
  geluGrad: 'pointwise',
} as const satisfies Partial<Record<CompositeKind, 'rows' | 'attention' | 'pointwise'>>;

type CompositeKernels = typeof compositeKernels;
type OpsComputedBy<Kernel extends string> = OpOf<
  { [K in keyof CompositeKernels]: CompositeKernels[K] extends Kernel ? K : never }[keyof CompositeKernels]
>;

/** A composite that works along the last axis. */
export type RowOp = OpsComputedBy<'rows'>;

/** Attention, its statistics, or one of its adjoints. */
export type AttentionOp = OpsComputedBy<'attention'>;

/** Composites that have kernels; all others are lowered. */
export const nativeComposites: ReadonlySet<CompositeKind> = new Set(
  Object.keys(compositeKernels) as (keyof CompositeKernels)[],
);

/** Products with a side of at most this many elements are those of adapters. */
export const narrowSide = 16;

/** Whether a kernel goes over the rows of an op's operand, one by one. */
export function isRowOp(op: Op): op is RowOp {
  return kernelOf(op) === 'rows';
}

/** Whether one of the kernels of attention computes an op. */
export function isAttention(op: Op): op is AttentionOp {
  return kernelOf(op) === 'attention';
}

/** Whether an op only changes which element is read. */
export function isView({ kind }: Op): boolean {
  return (basicRoles as Partial<Record<Op['kind'], Role>>)[kind] === 'view';
}

/** Whether a node is a single number, which stands in the code of every kernel that reads it. */
export function isLiteral({ op, shape }: GraphNode): boolean {
  return op.kind === 'constant' && sizeOf(shape) === 1;
}

/** The role of an op that nothing around it gives another one. */
export function roleOf(op: Op): Role {
  const basic = (basicRoles as Partial<Record<Op['kind'], Role>>)[op.kind];
  if (basic !== undefined) return basic;
  const kernel = kernelOf(op);
  if (kernel === undefined) throw new InternalError(`${op.kind} has no kernel and was not lowered.`);
  return kernel === 'pointwise' ? 'pointwise' : 'anchor';
}

function kernelOf({ kind }: Op): 'rows' | 'attention' | 'pointwise' | undefined {
  return (compositeKernels as Partial<Record<Op['kind'], CompositeKernels[keyof CompositeKernels]>>)[kind];
}
