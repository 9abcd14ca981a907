import type { Backend, Executable } from '@kora-bench/core/backend';
import type { HostTensor, HostTensors, Program, Tensor, Weights } from '@kora-bench/core/graph';
import { GraphBuilder, hostTensor } from '@kora-bench/core/graph';
import { makeProgram } from '@kora-bench/core/passes';

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

/** Compiles a program, without frozen weights unless told otherwise. */
export function compile(
  backend: Backend,
  program: Program,
  weights: Weights = new Map(),
): Promise<Executable> {
  return backend.compile(program, weights);
}

export function vector(...values: number[]): HostTensor {
  return hostTensor([values.length], Float32Array.from(values));
}

/** Outputs as plain arrays. */
export function plain(values: HostTensors): Record<string, number[]> {
  return Object.fromEntries(Object.entries(values).map(([name, { data }]) => [name, [...data]]));
}
