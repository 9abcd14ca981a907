import type { CompositeKind, Op, OpKind } from '@kora-bench/core';

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
  | 'joined';

/** Composites that have kernels; all others are lowered. */
export const nativeComposites: ReadonlySet<CompositeKind> = new Set([
  'layerNorm',
  'layerNormGrad',
  'softmax',
  'softmaxGrad',
  'crossEntropy',
  'crossEntropyGrad',
  'gelu',
  'geluGrad',
  'attention',
  'attentionStatistics',
  'attentionGrad',
]);

/** Ops that only change the place that is read. */
export const views: ReadonlySet<OpKind> = new Set(['reshape', 'transpose', 'broadcast', 'slice', 'pad']);

export function roleOf(op: Op): Role {
  if (views.has(op.kind)) return 'view';
  switch (op.kind) {
    case 'feed':
    case 'frozen':
    case 'state':
    case 'constant':
      return 'source';
    case 'reduce':
    case 'matmul':
    case 'layerNorm':
    case 'layerNormGrad':
    case 'softmax':
    case 'softmaxGrad':
    case 'crossEntropy':
    case 'crossEntropyGrad':
    case 'attention':
    case 'attentionStatistics':
    case 'attentionGrad':
      return 'anchor';
    case 'concat':
      return 'joined';
    default:
      return 'pointwise';
  }
}
