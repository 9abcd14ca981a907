import type { CompositeKind, GraphNode, Op, OpKind } from '@kora-bench/core';
import { sizeOf } from '@kora-bench/core';

/** How a node takes part in kernels. */
export type Role =
  /** Is in a buffer before the program starts. */
  | 'source'
  /** Only changes the place that is read. */
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

/** Composites that work along the last axis: each is a kernel written from its lowering. */
export const rowComposites: ReadonlySet<OpKind> = new Set<CompositeKind>([
  'layerNorm',
  'layerNormGrad',
  'softmax',
  'softmaxGrad',
  'crossEntropy',
  'crossEntropyGrad',
]);

/** Attention, its statistics and its adjoints. */
export const attentionComposites: ReadonlySet<OpKind> = new Set<CompositeKind>([
  'attention',
  'attentionStatistics',
  'attentionGrad',
]);

/** Composites that have kernels; all others are lowered. */
export const nativeComposites: ReadonlySet<CompositeKind> = new Set([
  ...(rowComposites as ReadonlySet<CompositeKind>),
  ...(attentionComposites as ReadonlySet<CompositeKind>),
  'gelu',
  'geluGrad',
]);

/** Products with a side of at most this many elements are those of adapters. */
export const narrowSide = 16;

/** Ops that only change the place that is read. */
export const views: ReadonlySet<OpKind> = new Set(['reshape', 'transpose', 'broadcast', 'slice', 'pad']);

/** Whether a node is a single number, which stands in the code of every kernel that reads it. */
export function isLiteral({ op, shape }: GraphNode): boolean {
  return op.kind === 'constant' && sizeOf(shape) === 1;
}

export function roleOf(op: Op): Role {
  if (views.has(op.kind)) return 'view';
  if (rowComposites.has(op.kind) || attentionComposites.has(op.kind)) return 'anchor';
  switch (op.kind) {
    case 'feed':
    case 'frozen':
    case 'state':
    case 'constant':
      return 'source';
    case 'reduce':
    case 'matmul':
      return 'anchor';
    case 'concat':
      return 'joined';
    default:
      return 'pointwise';
  }
}
