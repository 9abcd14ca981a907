import type {
  Executable,
  HostTensor,
  NodeId,
  Program,
  ProgramMemory,
  RunOptions,
  RunQueue,
  Shape,
} from '@kora-bench/core';
import { BackendError, checkRun, ownState } from '@kora-bench/core';
import type { CompiledProgram, Dispatch } from './build-program.js';
import type { BufferRange } from './device/buffer-range.js';
import { wholeBuffer } from './device/buffer-range.js';
import { KernelTimer } from './device/kernel-timer.js';
import { Readback } from './device/readback.js';
import type { Watch } from './device/watch.js';
import type { Profile } from './profile.js';
import { submitRun } from './submit-run.js';
import { WebgpuState } from './webgpu-state.js';

interface Named {
  readonly name: string;
  readonly shape: Shape;
  readonly id: NodeId;
}

/** A compiled program with its buffers. */
export class WebgpuExecutable implements Executable {
  readonly memory: ProgramMemory;
  readonly #queue: RunQueue;
  readonly #watch: Watch;
  readonly #given: Program;
  readonly #states: readonly Named[];
  readonly #updates: readonly Named[];
  readonly #device: GPUDevice;
  readonly #underWay: Promise<unknown>[] = [];
  #compiled: CompiledProgram | undefined;

  /** @param given the program as it was given to the backend, before any rewriting */
  constructor(watch: Watch, queue: RunQueue, given: Program, compiled: CompiledProgram) {
    this.#watch = watch;
    this.#queue = queue;
    this.#given = given;
    this.#compiled = compiled;
    this.memory = compiled.memory;
    this.#device = compiled.device;
    const { values, updates } = compiled.schedule;
    this.#states = values.flatMap(({ op, shape, id }) =>
      op.kind === 'state' ? [{ name: op.name, shape, id }] : [],
    );
    this.#updates = [...updates].map(([name, id]) => ({ name, shape: values[id]!.shape, id }));
  }

  run(options: RunOptions): Promise<Record<string, HostTensor>> {
    return this.#queue.run(() => this.#run(options));
  }

  dispose(): Promise<void> {
    return this.#queue.run(() => {
      this.#compiled?.dispose();
      this.#compiled = undefined;
    });
  }

  /**
   * Runs once, each kernel timed by the device's own clock. Slower than `run`: kernels cannot overlap.
   * @throws BackendError where the device has no timestamp queries
   */
  profile(options: RunOptions): Promise<Profile> {
    return this.#queue.run(async () => {
      const dispatches = inOrder(this.#require());
      const timer = new KernelTimer(this.#device, dispatches.length);
      try {
        const fetched = await this.#run(options, timer);
        const times = await this.#watch.finish(timer, () => timer.read());
        const kernels = dispatches.map(({ label, cost }, i) => ({ label, nanoseconds: times[i]!, ...cost }));
        return { fetched, kernels };
      } finally {
        timer.dispose();
      }
    });
  }

  #require(): CompiledProgram {
    if (this.#compiled !== undefined) return this.#compiled;
    throw new BackendError('The program was disposed of.', { fix: 'Compile the program again to run it.' });
  }

  async #run(options: RunOptions, timer?: KernelTimer): Promise<Record<string, HostTensor>> {
    checkRun(this.#given, options);
    const compiled = this.#require();
    const { device, schedule, ranges, intoStates } = compiled;
    const stateful = this.#states.length + this.#updates.length > 0;
    const state = stateful ? ownState(WebgpuState, options.state) : undefined;
    const states = new Map<NodeId, BufferRange>();
    for (const { name, shape, id } of this.#states) states.set(id, wholeBuffer(state!.current(name, shape)));
    for (const { name, shape } of this.#updates) state!.current(name, shape);
    for (const [id, name] of intoStates) states.set(id, wholeBuffer(state!.next(name)));
    const rangeOf = (id: NodeId) => states.get(id) ?? ranges.get(id)!;

    const names = [...new Set(options.fetch ?? [])];
    const fetches = names.map((name) => {
      const id = schedule.outputs.get(name)!;
      const { dtype, shape } = schedule.values[id]!;
      return { name, from: rangeOf(id), dtype, shape };
    });
    let readback: Readback;
    submitRun(compiled, {
      feeds: options.feeds,
      states,
      timer,
      finish: (encoder) => {
        for (const { name, id } of this.#updates) {
          if (intoStates.get(id) === name) continue;
          const { buffer, offset, size } = rangeOf(id);
          encoder.copyBufferToBuffer(buffer, offset, state!.next(name), 0, size);
        }
        readback = new Readback(device, encoder, fetches);
        timer?.resolve(encoder);
      },
    });
    const fetched = await this.#finish(readback!, names.length > 0);
    state?.swap(this.#updates.map(({ name }) => name));
    return fetched;
  }

  /**
   * Where nothing is brought back, the next run is prepared while the device still works on this one, unless
   * that takes the cores away from it.
   */
  async #finish(readback: Readback, fetches: boolean): Promise<Record<string, HostTensor>> {
    const done = this.#watch.finish(this, () => readback.read());
    if (fetches || this.#watch.sharesCores) return done;
    done.catch(() => undefined);
    this.#underWay.push(done);
    if (this.#underWay.length > mostUnderWay) await this.#underWay.shift();
    return {};
  }
}

/** Runs that the device may still have to do when another one is submitted. */
const mostUnderWay = 2;

/** Every kernel of a run, in order. */
function inOrder({ before, body, after, memory }: CompiledProgram): Dispatch[] {
  const parts = Array.from({ length: memory.parts }, () => body.kernels).flat();
  return [...before.kernels, ...parts, ...after.kernels];
}
