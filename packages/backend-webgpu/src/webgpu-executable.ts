import type {
  Executable,
  GraphNode,
  HostTensor,
  NodeId,
  Program,
  RunOptions,
  RunQueue,
  Shape,
} from '@kora-bench/core';
import { BackendError, checkRun, ownState, sourcesOf } from '@kora-bench/core';
import type { CompiledProgram } from './compile-program.js';
import { KernelTimer } from './device/kernel-timer.js';
import { Readback } from './device/readback.js';
import { writeTensor } from './device/transfer.js';
import type { Watch } from './device/watch.js';
import { encodeDispatches } from './encode-dispatches.js';
import type { Profile } from './profile.js';
import { WebgpuState } from './webgpu-state.js';

interface Named {
  readonly name: string;
  readonly shape: Shape;
  readonly id: NodeId;
}

/** A compiled program with its buffers. */
export class WebgpuExecutable implements Executable {
  readonly #queue: RunQueue;
  readonly #watch: Watch;
  readonly #given: Program;
  readonly #states: readonly Named[];
  readonly #updates: readonly Named[];
  readonly #feeds: readonly { readonly name: string; readonly node: GraphNode }[];
  readonly #device: GPUDevice;
  readonly #underWay: Promise<unknown>[] = [];
  #compiled: CompiledProgram | undefined;

  /** @param given the program as it was given to the backend, before any rewriting */
  constructor(watch: Watch, queue: RunQueue, given: Program, compiled: CompiledProgram) {
    this.#watch = watch;
    this.#queue = queue;
    this.#given = given;
    this.#compiled = compiled;
    const { program } = compiled;
    this.#device = compiled.device;
    this.#feeds = sourcesOf(program, 'feed');
    this.#states = sourcesOf(program, 'state').map(({ name, node }) => ({
      name,
      shape: node.shape,
      id: node.id,
    }));
    this.#updates = [...program.updates].map(([name, id]) => ({ name, shape: program.nodes[id]!.shape, id }));
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
      const timer = new KernelTimer(this.#device, this.#require().dispatches.length);
      try {
        const fetched = await this.#run(options, timer);
        const times = await this.#watch.finish(timer, () => timer.read());
        const kernels = this.#require().dispatches.map(({ label, cost }, i) => ({
          label,
          nanoseconds: times[i]!,
          ...cost,
        }));
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
    const stateful = this.#states.length + this.#updates.length > 0;
    const state = stateful ? ownState(WebgpuState, options.state) : undefined;
    const { device, program, buffers, intoStates } = compiled;
    const bound = new Map<NodeId, GPUBuffer>();
    for (const { name, shape, id } of this.#states) bound.set(id, state!.current(name, shape));
    for (const { name, shape } of this.#updates) state!.current(name, shape);
    for (const [id, name] of intoStates) bound.set(id, state!.next(name));
    const bufferOf = (id: NodeId) => bound.get(id) ?? buffers.get(id)!;

    for (const { name, node } of this.#feeds) {
      const buffer = buffers.get(node.id);
      if (buffer !== undefined) writeTensor(device, buffer, options.feeds[name]!);
    }
    const encoder = device.createCommandEncoder();
    encodeDispatches(encoder, compiled.dispatches, bound, timer);
    for (const { name, id } of this.#updates) {
      if (intoStates.get(id) === name) continue;
      const next = state!.next(name);
      encoder.copyBufferToBuffer(bufferOf(id), 0, next, 0, next.size);
    }
    const names = [...new Set(options.fetch ?? [])];
    const readback = new Readback(
      device,
      encoder,
      names.map((name) => {
        const id = program.outputs.get(name)!;
        const { dtype, shape } = program.nodes[id]!;
        return { name, buffer: bufferOf(id), dtype, shape };
      }),
    );
    timer?.resolve(encoder);
    device.queue.submit([encoder.finish()]);
    const fetched = await this.#finish(readback, names.length > 0);
    state?.swap(this.#updates.map(({ name }) => name));
    return fetched;
  }

  /** Where nothing is brought back, the next run is prepared while the device still works on this one. */
  async #finish(readback: Readback, fetches: boolean): Promise<Record<string, HostTensor>> {
    const done = this.#watch.finish(this, () => readback.read());
    if (fetches) return done;
    done.catch(() => undefined);
    this.#underWay.push(done);
    if (this.#underWay.length > mostUnderWay) await this.#underWay.shift();
    return {};
  }
}

/** Runs that the device may still have to do when another one is submitted. */
const mostUnderWay = 2;
