import type {
  Backend,
  Executable,
  HostTensor,
  HostTensors,
  Program,
  Tensor,
  Weights,
} from '@kora-bench/core';
import { GraphBuilder, hostTensor, lowerComposites, makeProgram } from '@kora-bench/core';

/** One promise of the backend contract; throws (by vitest's `expect`) where it is broken. */
export interface ContractCheck {
  readonly name: string;
  check(backend: Backend): Promise<void>;
}

interface Built {
  readonly outputs?: Readonly<Record<string, Tensor>>;
  readonly updates?: Readonly<Record<string, Tensor>>;
}

export function programOf(build: (builder: GraphBuilder) => Built): Program {
  const { outputs = {}, updates = {} } = build(new GraphBuilder());
  return makeProgram(outputs, updates);
}

/** Compiles as the suite's compiler does: foreign composites lowered first. */
export function compile(
  backend: Backend,
  program: Program,
  weights: Weights = new Map(),
): Promise<Executable> {
  return backend.compile(lowerComposites(program, backend.composites), weights);
}

export function vector(...values: number[]): HostTensor {
  return hostTensor([values.length], Float32Array.from(values));
}

/** Outputs as plain arrays. */
export function plain(values: HostTensors): Record<string, number[]> {
  return Object.fromEntries(Object.entries(values).map(([name, { data }]) => [name, [...data]]));
}
