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
import type { DeviceFeatures } from './device/features.js';
import type { OpenDevice } from './device/open-device.js';
import { Waiter } from './device/waiter.js';
import { Watch } from './device/watch.js';
import type { WebgpuOptions } from './options.js';
import { PipelineCache } from './pipeline-cache.js';
import { nativeComposites } from './plan/node-roles.js';
import type { TileStore } from './tuning/tile-store.js';
import { TileTuner } from './tuning/tile-tuner.js';
import { WebgpuExecutable } from './webgpu-executable.js';
import { WebgpuState } from './webgpu-state.js';
import type { KernelTarget } from './wgsl/kernel-target.js';
import { matrixBytes } from './wgsl/matmul/product-in-matrices.js';

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
  readonly #tuner: TileTuner | undefined;
  readonly #queue = new RunQueue();

  /** @param tiles where tiles that were measured are kept; without it, none are */
  constructor(
    { device, description, software, polls, features, versions }: OpenDevice,
    options: WebgpuOptions,
    tiles?: TileStore,
  ) {
    this.#device = device;
    this.device = description;
    this.#target = targetOf(device, features, software, options);
    this.versions = { ...versions, precision: this.#target.precision };
    const { timeoutSeconds } = options;
    this.#watch = new Watch(device, { waiter: new Waiter(software && polls), timeoutSeconds });
    this.#pipelines = new PipelineCache(device);
    if (tiles !== undefined) this.#tuner = new TileTuner(device, this.#pipelines, tiles);
  }

  async compile(program: Program, weights: Weights): Promise<Executable> {
    checkWeights(program, weights);
    const compiled = await this.#watch.finish({}, () =>
      compileProgram(this.#device, this.#pipelines, program, weights, this.#target, this.#tuner),
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

function targetOf(
  { limits }: GPUDevice,
  { f16, subgroups, subgroupMatrix }: DeviceFeatures,
  software: boolean,
  { precision, kernels = software ? 'subgroup' : 'workgroup' }: WebgpuOptions,
): KernelTarget {
  const size = subgroups !== undefined && subgroups.min === subgroups.max ? subgroups.min : undefined;
  const inSubgroups = kernels === 'subgroup' && size !== undefined;
  const kept = f16 ? precision : 'f32';
  const workgroupBytes = limits.maxComputeWorkgroupStorageSize;
  const units = subgroupMatrix
    .filter(
      ({ componentType, resultComponentType }) => componentType === kept && resultComponentType === 'f32',
    )
    .map(({ M, N, K }) => ({ M, N, K, component: kept, lanes: size ?? 0 }))
    .filter((each) => matrixBytes(each) <= workgroupBytes)
    .sort((a, b) => b.M * b.N * b.K - a.M * a.N * a.K)[0];
  return {
    sharing: inSubgroups ? { kind: 'subgroup', size } : { kind: 'workgroup' },
    shuffles: subgroups !== undefined && subgroups.min >= 4,
    quads: true,
    precision: kept,
    ...(units !== undefined && size !== undefined && { matrixUnits: units }),
    workgroupBytes,
    mostBuffers: limits.maxStorageBuffersPerShaderStage,
  };
}
