import type { Op } from '@kora-bench/core';

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

export function roleOf(op: Op): Role {
  switch (op.kind) {
    case 'feed':
    case 'frozen':
    case 'state':
    case 'constant':
      return 'source';
    case 'reshape':
    case 'transpose':
    case 'broadcast':
    case 'slice':
    case 'pad':
      return 'view';
    case 'reduce':
    case 'matmul':
      return 'anchor';
    case 'concat':
      return 'joined';
    default:
      return 'pointwise';
  }
}
