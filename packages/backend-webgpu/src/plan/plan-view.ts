import type { GraphNode, NodeId } from '@kora-bench/core';
import type { Role } from './node-roles.js';

/** A program with what planning asks of it again and again. */
export interface PlanView {
  readonly nodes: readonly GraphNode[];
  readonly uses: Uint32Array;
  /** Outputs and updates. */
  readonly results: ReadonlySet<NodeId>;
  readonly readers: readonly (readonly NodeId[])[];
  /** `absorbed`: a part of a sum of products. */
  readonly roles: readonly (Role | 'absorbed')[];
  /** The matrix products of each sum of some. */
  readonly terms: ReadonlyMap<NodeId, readonly NodeId[]>;
}
