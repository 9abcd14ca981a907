import { referenceBackend } from '@kora-bench/backend-reference';
import type { Backend } from '@kora-bench/core/backend';
import type { ToleranceKind } from './op-case.js';

/** Largest accepted relative error by kind of comparison; see `compareTensors` and `compareTraining`. */
export type Tolerances = Readonly<Record<ToleranceKind, number>>;

/** What an engine that computes in float32 with ordinary function approximations keeps. */
export const defaultTolerances: Tolerances = { forward: 2e-5, gradient: 5e-5, training: 2e-3 };

/** The oracle: every composite by its own definition, nothing lowered. */
export async function createOracle(): Promise<Backend> {
  return referenceBackend.create('cpu', { lower: false });
}
