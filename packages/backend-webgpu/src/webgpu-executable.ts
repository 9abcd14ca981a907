import type { Executable, HostTensor, NodeId, Program, RunOptions, RunQueue, Shape } from '@kora-bench/core';
import { BackendError, checkRun, ownState, sourcesOf } from '@kora-bench/core';
import type { CompiledProgram } from './compile-program.js';
import { readBuffer, writeTensor } from './device/transfer.js';
import type { Watch } from './device/watch.js';
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
  #compiled: CompiledProgram | undefined;

  /** @param given the program as it was given to the backend, before any rewriting */
  constructor(watch: Watch, queue: RunQueue, given: Program, compiled: CompiledProgram) {
    this.#watch = watch;
    this.#queue = queue;
    this.#given = given;
    this.#compiled = compiled;
    const { program } = compiled;
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

  async #run(options: RunOptions): Promise<Record<string, HostTensor>> {
    checkRun(this.#given, options);
    const compiled = this.#compiled;
    if (compiled === undefined) {
      throw new BackendError('The program was disposed of.', { fix: 'Compile the program again to run it.' });
    }
    const stateful = this.#states.length + this.#updates.length > 0;
    const state = stateful ? ownState(WebgpuState, options.state) : undefined;
    const { device, program, buffers } = compiled;
    const stateBuffers = new Map<NodeId, GPUBuffer>();
    for (const { name, shape, id } of this.#states) stateBuffers.set(id, state!.current(name, shape));
    for (const { name, shape } of this.#updates) state!.current(name, shape);

    for (const { name, node } of sourcesOf(program, 'feed'))
      writeTensor(device, buffers.get(node.id)!, options.feeds[name]!);
    const encoder = device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    for (const { pipeline, workgroups, bind } of compiled.dispatches) {
      pass.setPipeline(pipeline);
      pass.setBindGroup(0, bind(stateBuffers));
      pass.dispatchWorkgroups(...workgroups);
    }
    pass.end();
    const bufferOf = (id: NodeId) => stateBuffers.get(id) ?? buffers.get(id)!;
    for (const { name, id } of this.#updates) {
      const next = state!.next(name);
      encoder.copyBufferToBuffer(bufferOf(id), 0, next, 0, next.size);
    }
    device.queue.submit([encoder.finish()]);
    await this.#watch.finish(this, () => device.queue.onSubmittedWorkDone());
    const fetched: Record<string, HostTensor> = {};
    for (const name of new Set(options.fetch ?? [])) {
      const id = program.outputs.get(name)!;
      const { dtype, shape } = program.nodes[id]!;
      const buffer = bufferOf(id);
      fetched[name] = await this.#watch.finish(buffer, () => readBuffer(device, buffer, dtype, shape));
    }
    state?.swap(this.#updates.map(({ name }) => name));
    return fetched;
  }
}
