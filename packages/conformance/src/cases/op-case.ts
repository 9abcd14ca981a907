import type { Backend } from '@kora-bench/core/backend';
import type { HostTensor, HostTensors, Program, Tensor, Weights } from '@kora-bench/core/graph';
import { makeProgram } from '@kora-bench/core/passes';
import { CaseInputs } from '../values/case-inputs.js';
import type { Comparison } from '../values/comparison.js';
import { compareTensors } from '../values/comparison.js';

/** Kinds of comparison, each with its own tolerance. */
export type ToleranceKind = 'forward' | 'gradient' | 'training';

/** A small program with inputs, to be run on a backend and on the reference. */
export interface OpCase {
  /** Unique among all cases, e.g. `matmul [5, 7]·[7, 3]`. */
  readonly name: string;
  /** Which tolerance applies; `forward` by default. */
  readonly tolerance?: Exclude<ToleranceKind, 'training'>;
  /** Declares inputs and builds the outputs by name. */
  build(inputs: CaseInputs): Readonly<Record<string, Tensor>>;
}

export interface TracedCase {
  readonly program: Program;
  readonly feeds: HostTensors;
  readonly weights: Weights;
  readonly state: HostTensors;
}

export function traceCase({ name, build }: OpCase): TracedCase {
  const inputs = new CaseInputs(name);
  const program = makeProgram(build(inputs));
  // What no output depends on is not part of the program, so it must not be fed either.
  const used = new Set(
    program.nodes.flatMap(({ op }) => (op.kind === 'feed' || op.kind === 'state' ? [op.name] : [])),
  );
  const keep = (values: HostTensors) =>
    Object.fromEntries(Object.entries(values).filter(([input]) => used.has(input)));
  return { program, feeds: keep(inputs.feeds), weights: inputs.weights, state: keep(inputs.state) };
}

/** Runs a traced case once and returns all outputs. */
export async function runTraced(backend: Backend, traced: TracedCase): Promise<Record<string, HostTensor>> {
  const executable = await backend.compile(traced.program, traced.weights);
  const state = await backend.createState(traced.state);
  try {
    return await executable.run({ feeds: traced.feeds, state, fetch: [...traced.program.outputs.keys()] });
  } finally {
    await state.dispose();
    await executable.dispose();
  }
}

/** One comparison per output of the case. */
export async function compareCase(
  backend: Backend,
  reference: Backend,
  opCase: OpCase,
): Promise<Comparison[]> {
  const traced = traceCase(opCase);
  const [actual, expected] = [await runTraced(backend, traced), await runTraced(reference, traced)];
  return Object.keys(expected).map((output) => compareTensors(output, actual[output]!, expected[output]!));
}
