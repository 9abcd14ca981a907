import type { Executable, RunOptions, RunQueue } from '@kora-bench/core/backend';
import { ownState, PairedState, runCheck } from '@kora-bench/core/backend';
import { BackendError } from '@kora-bench/core/errors';
import type { HostTensor, HostTensors, Program, Shape } from '@kora-bench/core/graph';
import { sourcesOf } from '@kora-bench/core/graph';
import type { Tensor } from 'onnxruntime-node';
import type { Engine } from './engine/engine.js';
import { allocate, fromEngine, toEngine } from './engine/host-tensors.js';
import type { Runner } from './engine/session.js';
import { feedName, outputName, stateName, updateName } from './export/export-program.js';

/** Named values in tensors that the engine reads and writes in place. */
export class OrtState extends PairedState<Tensor> {
  constructor(engine: Engine, queue: RunQueue, values: HostTensors) {
    const storage = {
      allocate: (_: string, shape: readonly number[]) => allocate(engine, 'f32', shape),
      write: ({ data }: Tensor, value: HostTensors[string]) => (data as Float32Array).set(value.data),
      read: ({ data }: Tensor, shape: readonly number[]) => ({
        dtype: 'f32' as const,
        shape,
        data: (data as Float32Array).slice(),
      }),
      // The engine frees a tensor on the host with the last reference to it.
      release: () => undefined,
    };
    super(queue, storage, values);
  }
}

interface Named {
  readonly name: string;
  readonly shape: Shape;
}

/** A compiled program. */
export class OrtExecutable implements Executable {
  readonly #engine: Engine;
  readonly #queue: RunQueue;
  readonly #program: Program;
  readonly #states: readonly Named[];
  readonly #updates: readonly Named[];
  readonly #feeds: readonly string[];
  readonly #check: (options: RunOptions) => void;
  #runner: Runner | undefined;

  /** @param program as it was given to the backend, before any rewriting */
  constructor(engine: Engine, queue: RunQueue, program: Program, runner: Runner) {
    this.#engine = engine;
    this.#queue = queue;
    this.#program = program;
    this.#runner = runner;
    this.#check = runCheck(program);
    const known = runner.inputNames;
    const states = sourcesOf(program, 'state').map(({ name, node }) => ({ name, shape: node.shape }));
    this.#states = states.filter(({ name }) => known.has(stateName(name)));
    this.#feeds = sourcesOf(program, 'feed').flatMap(({ name }) => (known.has(feedName(name)) ? [name] : []));
    this.#updates = [...program.updates].map(([name, id]) => ({ name, shape: program.nodes[id]!.shape }));
  }

  run(options: RunOptions): Promise<Record<string, HostTensor>> {
    return this.#queue.run(() => this.#run(options));
  }

  dispose(): Promise<void> {
    return this.#queue.run(async () => {
      const runner = this.#runner;
      this.#runner = undefined;
      await runner?.dispose();
    });
  }

  async #run(options: RunOptions): Promise<Record<string, HostTensor>> {
    this.#check(options);
    if (this.#runner === undefined) {
      throw new BackendError('The program was disposed of.', { fix: 'Compile the program again to run it.' });
    }
    const stateful = this.#states.length + this.#updates.length > 0;
    const state = stateful ? ownState(OrtState, options.state) : undefined;
    const fetch = [...new Set(options.fetch ?? [])];
    if (fetch.length + this.#updates.length === 0) return {};

    const inputs: Record<string, Tensor> = {};
    for (const name of this.#feeds) inputs[feedName(name)] = toEngine(this.#engine, options.feeds[name]!);
    for (const { name, shape } of this.#states) inputs[stateName(name)] = state!.current(name, shape);
    const results: Record<string, Tensor> = {};
    for (const { name, shape } of this.#updates) {
      state!.current(name, shape);
      results[updateName(name)] = state!.next(name);
    }
    for (const name of fetch) {
      const { dtype, shape } = this.#output(name);
      results[outputName(name)] = allocate(this.#engine, dtype, shape);
    }
    await this.#runner.run(inputs, results);
    state?.swap(this.#updates.map(({ name }) => name));

    const fetched: Record<string, HostTensor> = {};
    for (const name of fetch) {
      const { dtype, shape } = this.#output(name);
      fetched[name] = fromEngine(results[outputName(name)]!, dtype, shape);
    }
    return fetched;
  }

  #output(name: string): Program['nodes'][number] {
    return this.#program.nodes[this.#program.outputs.get(name)!]!;
  }
}
