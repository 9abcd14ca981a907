import type { GraphNode } from '@kora-bench/core';
import { sizeOf } from '@kora-bench/core';

/**
 * The number that a one-element constant holds, where multiplying by it can be moved about: 0 and what
 * is not finite stay in their place, because 0 · ∞ is not 0.
 */
export function scalarConstant({ op }: GraphNode): number | undefined {
  if (op.kind !== 'constant' || sizeOf(op.shape) !== 1) return undefined;
  const value = op.data[0]!;
  return Number.isFinite(value) && value !== 0 ? value : undefined;
}
