import type {
  Backend,
  CompositeKind,
  DeviceState,
  Executable,
  HostTensors,
  Program,
  Weights,
} from '@kora-bench/core';
import { checkWeights, RunQueue } from '@kora-bench/core';
import { compileProgram } from './compile-program.js';
import { allocate } from './device/allocate.js';
import type { OpenDevice } from './device/open-device.js';
import { Waiter } from './device/waiter.js';
import { Watch } from './device/watch.js';
import type { WebgpuOptions } from './options.js';
import { PipelineCache } from './pipeline-cache.js';
import { WebgpuExecutable } from './webgpu-executable.js';
import { WebgpuState } from './webgpu-state.js';

/** One WebGPU device. Runs are queued: they never overlap. */
export class WebgpuBackend implements Backend {
  readonly name = 'webgpu';
  readonly device: string;
  readonly versions: Readonly<Record<string, string>>;
  readonly composites: ReadonlySet<CompositeKind> = new Set();
  readonly #device: GPUDevice;
  readonly #watch: Watch;
  readonly #pipelines: PipelineCache;
  readonly #staging: boolean;
  readonly #queue = new RunQueue();

  constructor(
    { device, description, software, polls, versions }: OpenDevice,
    { staging, timeoutSeconds }: WebgpuOptions,
  ) {
    this.#device = device;
    this.device = description;
    this.versions = versions;
    this.#staging = staging ?? !software;
    this.#watch = new Watch(device, { waiter: new Waiter(software && polls), timeoutSeconds });
    this.#pipelines = new PipelineCache(device);
  }

  async compile(program: Program, weights: Weights): Promise<Executable> {
    checkWeights(program, weights);
    const compiled = await this.#watch.finish({}, () =>
      compileProgram(this.#device, this.#pipelines, program, weights, this.#staging),
    );
    // What the compilation allocated is there, or was refused.
    await this.#watch.finish({}, () => this.#device.queue.onSubmittedWorkDone());
    return new WebgpuExecutable(this.#watch, this.#queue, program, compiled);
  }

  async createState(values: HostTensors): Promise<DeviceState> {
    const make = () => new WebgpuState(this.#device, this.#watch, this.#queue, values);
    return allocate(this.#device, this.#watch, make, (state) => state.dispose());
  }

  async dispose(): Promise<void> {
    this.#watch.release();
  }
}
