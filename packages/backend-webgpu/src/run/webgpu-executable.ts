import type { Executable, ProgramMemory, RunOptions, RunQueue } from '@kora-bench/core/backend';
import { ownState, PairedState, runCheck } from '@kora-bench/core/backend';
import { BackendError } from '@kora-bench/core/errors';
import type { HostTensor, HostTensors, Program, Shape } from '@kora-bench/core/graph';
import { sizeOf } from '@kora-bench/core/graph';
import type { CompiledProgram } from '../compile/build-program.js';
import type { Schedule, Step } from '../compile/schedule.js';
import { createBuffer, readBuffer, wholeBuffer, writeTensor } from '../device/buffers.js';
import type { Readback } from '../device/readback.js';
import type { Watch } from '../device/watch.js';
import type { EncodedRun, RunBindings } from './encode-run.js';
import { RunEncoder } from './encode-run.js';
import type { Profile } from './profile.js';
import { KernelTimer } from './profile.js';

interface NamedState {
  readonly name: string;
  readonly shape: Shape;
  readonly updated: boolean;
}

/** A compiled program with its buffers. */
export class WebgpuExecutable implements Executable {
  readonly memory: ProgramMemory;
  readonly dispatches: number;
  readonly #queue: RunQueue;
  readonly #watch: Watch;
  readonly #check: (options: RunOptions) => void;
  readonly #states: readonly NamedState[];
  readonly #device: GPUDevice;
  readonly #underWay: Promise<unknown>[] = [];
  readonly #encoder: RunEncoder;
  #compiled: CompiledProgram | undefined;

  /** @param given the program as it was given to the backend, before any rewriting */
  constructor(watch: Watch, queue: RunQueue, given: Program, compiled: CompiledProgram) {
    this.#watch = watch;
    this.#queue = queue;
    this.#check = runCheck(given);
    this.#compiled = compiled;
    this.#encoder = new RunEncoder(compiled);
    this.memory = compiled.memory;
    this.dispatches = inOrder(compiled).length;
    this.#device = compiled.device;
    this.#states = statesOf(compiled.schedule);
  }

  run(options: RunOptions): Promise<Record<string, HostTensor>> {
    return this.#queue.run(() => this.#run(options));
  }

  dispose(): Promise<void> {
    return this.#queue.run(() => {
      this.#encoder.dispose();
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
      const steps = inOrder(this.#require());
      const timer = new KernelTimer(this.#device, steps.length);
      try {
        const fetched = await this.#run(options, timer);
        const times = await this.#watch.finish(timer, () => timer.read());
        const kernels = steps.map(({ label, cost }, i) => ({ label, nanoseconds: times[i]!, ...cost }));
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
    this.#check(options);
    const compiled = this.#require();
    const state = this.#states.length > 0 ? ownState(WebgpuState, options.state) : undefined;
    const bindings: RunBindings = {
      states: this.#states.map(({ name, shape, updated }) => {
        const current = state!.current(name, shape);
        return updated ? { name, current, next: state!.next(name) } : { name, current };
      }),
      fetch: [...new Set(options.fetch ?? [])],
    };
    const run = this.#encoder.encode(bindings, timer);
    submitRun(compiled, run, options.feeds);
    this.#encoder.encodeNext(bindings);
    const fetched = await this.#finish(run.readback, bindings.fetch.length > 0);
    state?.swap(this.#states.flatMap(({ name, updated }) => (updated ? [name] : [])));
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

/** The states that a run reads or updates. */
function statesOf({ values, updates }: Schedule): readonly NamedState[] {
  const states = new Map<string, NamedState>();
  for (const { op, shape } of values)
    if (op.kind === 'state') states.set(op.name, { name: op.name, shape, updated: false });
  for (const [name, id] of updates) states.set(name, { name, shape: values[id]!.shape, updated: true });
  return [...states.values()];
}

/** Runs that the device may still have to do when another one is submitted. */
const mostUnderWay = 2;

/** Every kernel of a run, in order. */
function inOrder({ before, body, after, memory }: CompiledProgram): Pick<Step, 'label' | 'cost'>[] {
  const parts = Array.from({ length: memory.parts }, () => body.steps).flat();
  return [...before.steps, ...parts, ...after.steps];
}

/** Uploads the feeds of a run and submits its commands, each part of the batch on its own. */
function submitRun(
  { device, schedule, ranges }: CompiledProgram,
  { commands }: EncodedRun,
  feeds: HostTensors,
): void {
  for (const { feed, to } of schedule.feeds) writeTensor(device, ranges.get(to)!, feeds[feed]!);
  commands.forEach((buffer, i) => {
    if (i > 0) {
      const { fed, parts } = schedule.body!;
      for (const { feed, to } of fed)
        writeTensor(device, ranges.get(to)!, blockOf(feeds[feed]!, i - 1, parts));
    }
    device.queue.submit([buffer]);
  });
}

/** Block `number` of a tensor along axis 0. */
function blockOf({ dtype, shape, data }: HostTensor, number: number, parts: number): HostTensor {
  const length = data.length / parts;
  const [batch, ...others] = shape;
  const block = data.subarray(number * length, (number + 1) * length);
  return { dtype, shape: [batch! / parts, ...others], data: block };
}

/** Named values in buffers on the device. */
export class WebgpuState extends PairedState<GPUBuffer> {
  constructor(device: GPUDevice, watch: Watch, queue: RunQueue, values: HostTensors) {
    const storage = {
      allocate: (name: string, shape: Shape) => createBuffer(device, 4 * sizeOf(shape), `state "${name}"`),
      write: (buffer: GPUBuffer, value: HostTensor) => writeTensor(device, wholeBuffer(buffer), value),
      read: (buffer: GPUBuffer, shape: Shape) =>
        watch.finish(buffer, () => readBuffer(device, buffer, 'f32', shape)),
      release: (buffer: GPUBuffer) => buffer.destroy(),
    };
    super(queue, storage, values);
  }
}
