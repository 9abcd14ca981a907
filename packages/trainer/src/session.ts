import type { Backend, DeviceState, Executable, ProgramMemory } from '@kora-bench/core/backend';
import type { HostTensor, HostTensors, Program, Weights } from '@kora-bench/core/graph';
import type { OptimizerConfig } from '@kora-bench/core/training';
import { optimizerStates, parametersState } from '@kora-bench/core/training';

/** A program to run, with the values that it works on. */
export interface SessionSpec {
  readonly backend: Backend;
  readonly program: Program;
  /** Values of the program's frozen weights. */
  readonly weights: Weights;
  /** Start of the trainable parameters `[P]`; absent for programs without a state. */
  readonly parameters?: HostTensor;
  /** The optimiser whose moments the program updates; they start at zero. */
  readonly optimizer?: OptimizerConfig;
}

/** A compiled program with its state on the device. */
export interface Session {
  readonly memory: ProgramMemory | undefined;
  /** Kernels that a run starts; undefined where the backend does not tell. */
  readonly dispatches: number | undefined;
  /**
   * Runs the program once. Feeds that it does not read are left out.
   * @param fetch names of the outputs to bring back
   */
  run(feeds: HostTensors, fetch: readonly string[]): Promise<Record<string, HostTensor>>;
  /** A copy of the current parameters `[P]`. @throws InputError when the program has no state */
  parameters(): Promise<HostTensor>;
  close(): Promise<void>;
}

/** Compiles a program and puts its state on the device. @throws BackendError when the engine refuses */
export async function openSession(spec: SessionSpec): Promise<Session> {
  const { backend, program } = spec;
  return withState(await backend.compile(program, spec.weights), spec);
}

/** Opens a session, gives it to `work` and closes it, whatever comes of it. */
export async function withSession<T>(spec: SessionSpec, work: (session: Session) => Promise<T>): Promise<T> {
  const session = await openSession(spec);
  try {
    return await work(session);
  } finally {
    await session.close();
  }
}

async function withState(
  executable: Executable,
  { backend, program, parameters, optimizer }: SessionSpec,
): Promise<Session> {
  const reads = new Set(program.nodes.flatMap(({ op }) => (op.kind === 'feed' ? [op.name] : [])));
  const hasState = program.updates.size > 0 || program.nodes.some(({ op }) => op.kind === 'state');
  let state: DeviceState | undefined;
  try {
    if (hasState && parameters !== undefined)
      state = await backend.createState(initialState(parameters, optimizer));
  } catch (error) {
    await executable.dispose();
    throw error;
  }
  return {
    memory: executable.memory,
    dispatches: executable.dispatches,
    run: (feeds, fetch) =>
      executable.run({
        feeds: Object.fromEntries(Object.entries(feeds).filter(([name]) => reads.has(name))),
        fetch,
        ...(state && { state }),
      }),
    async parameters() {
      const current = state === undefined ? parameters! : await state.read(parametersState);
      return { ...current, data: Float32Array.from(current.data) };
    },
    async close() {
      try {
        await state?.dispose();
      } finally {
        await executable.dispose();
      }
    },
  };
}

/** Parameters and the optimiser's moments, as a training program starts with them. */
export function initialState(parameters: HostTensor, optimizer?: OptimizerConfig): HostTensors {
  const zeros = () => ({
    dtype: 'f32' as const,
    shape: parameters.shape,
    data: new Float32Array(parameters.data.length),
  });
  const moments = optimizer === undefined ? [] : optimizerStates(optimizer);
  return { [parametersState]: parameters, ...Object.fromEntries(moments.map((name) => [name, zeros()])) };
}
