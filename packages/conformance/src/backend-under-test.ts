import { referenceBackend } from '@kora-bench/backend-reference';
import type { Backend, BackendDefinition } from '@kora-bench/core';
import type { ToleranceKind } from './op-case.js';

export interface SuiteOptions {
  /** Device to test; the backend's default if absent. */
  readonly device?: string;
  /** Options of the backend, as in a configuration; validated by the backend's own schema. */
  readonly backendOptions?: unknown;
  /** Largest accepted errors; for what is absent, `defaultTolerances`. */
  readonly tolerances?: Partial<Tolerances>;
  /** Milliseconds that one test may take; 60 000 by default. */
  readonly timeout?: number;
}

/** Largest accepted relative error by kind of comparison; see `compareTensors` and `compareTraining`. */
export type Tolerances = Readonly<Record<ToleranceKind, number>>;

/** What an engine that computes in float32 with ordinary function approximations keeps. */
export const defaultTolerances: Tolerances = { forward: 2e-5, gradient: 5e-5, training: 2e-3 };

export function tolerancesOf({ tolerances }: SuiteOptions): Tolerances {
  return { ...defaultTolerances, ...tolerances };
}

/** `onnxruntime:cpu`, as a title. */
export function titleOf(definition: BackendDefinition, { device }: SuiteOptions): string {
  return `${definition.name}:${device ?? definition.defaultDevice}`;
}

export async function createUnderTest(
  definition: BackendDefinition,
  options: SuiteOptions,
): Promise<Backend> {
  const parsed = definition.options.parse(options.backendOptions ?? {});
  return definition.create(options.device ?? definition.defaultDevice, parsed);
}

/** The oracle: every composite by its own definition, nothing lowered. */
export async function createOracle(): Promise<Backend> {
  return referenceBackend.create('cpu', { lower: false });
}
