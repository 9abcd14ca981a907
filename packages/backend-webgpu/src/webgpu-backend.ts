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
import type { OpenDevice } from './device/open-device.js';
import { Watch } from './device/watch.js';
import type { WebgpuOptions } from './options.js';
import { PipelineCache } from './pipeline-cache.js';
import { nativeComposites } from './plan/node-roles.js';
import { WebgpuExecutable } from './webgpu-executable.js';
import { WebgpuState } from './webgpu-state.js';
import type { KernelTarget } from './wgsl/kernel-target.js';

/** One WebGPU device. Runs are queued: they never overlap. */
export class WebgpuBackend implements Backend {
  readonly name = 'webgpu';
  readonly device: string;
  readonly versions: Readonly<Record<string, string>>;
  readonly composites: ReadonlySet<CompositeKind> = nativeComposites;
  readonly #device: GPUDevice;
  readonly #watch: Watch;
  readonly #pipelines: PipelineCache;
  readonly #target: KernelTarget;
  readonly #queue = new RunQueue();

  constructor({ device, description, software, subgroupSize, versions }: OpenDevice, options: WebgpuOptions) {
    this.#device = device;
    this.device = description;
    this.versions = versions;
    this.#target = targetOf(device, subgroupSize, software, options);
    this.#watch = new Watch(device);
    this.#pipelines = new PipelineCache(device);
  }

  async compile(program: Program, weights: Weights): Promise<Executable> {
    checkWeights(program, weights);
    this.#watch.check();
    const compiled = await compileProgram(this.#device, this.#pipelines, program, weights, this.#target);
    return new WebgpuExecutable(this.#watch, this.#queue, program, compiled);
  }

  async createState(values: HostTensors): Promise<DeviceState> {
    this.#watch.check();
    return new WebgpuState(this.#device, this.#queue, values);
  }

  async dispose(): Promise<void> {
    this.#watch.release();
    this.#device.destroy();
  }
}

function targetOf(
  { limits }: GPUDevice,
  subgroupSize: number | undefined,
  software: boolean,
  { kernels }: WebgpuOptions,
): KernelTarget {
  const inSubgroups = kernels === 'subgroup' || (kernels === undefined && software);
  return {
    sharing:
      inSubgroups && subgroupSize !== undefined
        ? { kind: 'subgroup', size: subgroupSize }
        : { kind: 'workgroup' },
    quads: !inSubgroups,
    workgroupBytes: limits.maxComputeWorkgroupStorageSize,
    mostBuffers: limits.maxStorageBuffersPerShaderStage,
  };
}
