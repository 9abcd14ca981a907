import type { Executable, RunOptions } from '@kora-bench/core/backend';
import { checkWeights, ownState, runCheck } from '@kora-bench/core/backend';
import { BackendError, InputError, InternalError } from '@kora-bench/core/errors';
import type { GraphNode, HostTensor, Program, Shape, Weights } from '@kora-bench/core/graph';
import { formatShape, sameShape } from '@kora-bench/core/graph';
import { toFloat64 } from './float64.js';
import { interpret } from './interpret.js';
import { ReferenceState } from './reference-state.js';

/** A program with its frozen weights in float64, interpreted anew at each run. */
export class ReferenceExecutable implements Executable {
  readonly #weights = new Map<string, HostTensor>();
  readonly #check: (options: RunOptions) => void;
  #disposed = false;

  /** @throws InputError when a frozen weight is missing or misshapen */
  constructor(
    private readonly program: Program,
    weights: Weights,
  ) {
    checkWeights(program, weights);
    this.#check = runCheck(program);
    for (const { op } of program.nodes) {
      if (op.kind === 'frozen') this.#weights.set(op.name, toFloat64(weights.get(op.name)!));
    }
  }

  async run(options: RunOptions): Promise<Record<string, HostTensor>> {
    if (this.#disposed)
      throw new BackendError('This executable was disposed.', { fix: 'Compile the program again.' });
    this.#check(options);
    const state = ownState(ReferenceState, options.state);
    checkStateShapes(this.program, state);

    const { outputs, updates } = this.program;
    const fetch = [...new Set(options.fetch ?? [])];
    const roots = [...fetch.map((name) => outputs.get(name)!), ...updates.values()];
    const values = interpret(this.program, roots, (node) => this.#source(node, options, state));

    const fetched = Object.fromEntries(fetch.map((name, i) => [name, toFloat64(values[i]!)]));
    state?.replace(new Map([...updates.keys()].map((name, i) => [name, values[fetch.length + i]!])));
    return fetched;
  }

  async dispose(): Promise<void> {
    this.#disposed = true;
    this.#weights.clear();
  }

  #source({ op }: GraphNode, { feeds }: RunOptions, state: ReferenceState | undefined): HostTensor {
    if (op.kind === 'feed') return toFloat64(feeds[op.name]!);
    if (op.kind === 'frozen') return this.#weights.get(op.name)!;
    if (op.kind === 'state' && state !== undefined) return state.get(op.name);
    throw new InternalError(`${op.kind} is no source.`);
  }
}

function checkStateShapes(program: Program, state: ReferenceState | undefined): void {
  const check = (name: string, shape: Shape) => {
    const held = state!.get(name).shape;
    if (sameShape(held, shape)) return;
    throw new InputError(`The state "${name}" does not fit the program.`, {
      expected: formatShape(shape),
      received: formatShape(held),
      where: `state "${name}"`,
    });
  };
  for (const { op, shape } of program.nodes) if (op.kind === 'state') check(op.name, shape);
  for (const [name, id] of program.updates) check(name, program.nodes[id]!.shape);
}
