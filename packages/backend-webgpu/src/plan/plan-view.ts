import type { NodeId } from '@kora-bench/core';
import type { Role } from './node-roles.js';
import type { Readings } from './readings.js';

/** A program with what planning asks of it again and again. */
export interface PlanView extends Readings {
  /** Outputs and updates. */
  readonly results: ReadonlySet<NodeId>;
  readonly roles: readonly Role[];
  /** The matrix products of each sum of some. */
  readonly terms: ReadonlyMap<NodeId, readonly NodeId[]>;
}
