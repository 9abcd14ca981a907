import type { Backend, DeviceState, Executable } from '@kora-bench/core/backend';
import { checkWeights, RunQueue } from '@kora-bench/core/backend';
import type { CompositeKind, HostTensors, Program, Weights } from '@kora-bench/core/graph';
import type { Compiler } from './compile/compile-program.js';
import { compileProgram } from './compile/compile-program.js';
import { PipelineCache } from './compile/pipeline-cache.js';
import type { TileStore } from './compile/tune-tiles.js';
import { TileTuner } from './compile/tune-tiles.js';
import type { DeviceFeatures } from './device/features.js';
import type { OpenDevice } from './device/open-device.js';
import { Waiter } from './device/waiter.js';
import { allocate, Watch } from './device/watch.js';
import type { KernelTarget } from './kernels/kernel-target.js';
import { matrixBytes } from './kernels/product-in-matrices.js';
import { smallestSubgroup } from './kernels/product-in-subgroups.js';
import type { WebgpuOptions } from './options.js';
import { nativeComposites } from './plan/op-roles.js';
import { WebgpuExecutable, WebgpuState } from './run/webgpu-executable.js';

/** One WebGPU device. Runs are queued: they never overlap. */
export class WebgpuBackend implements Backend {
  readonly name = 'webgpu';
  readonly device: string;
  readonly versions: Readonly<Record<string, string>>;
  readonly composites: ReadonlySet<CompositeKind> = nativeComposites;
  readonly #compiler: Compiler;
  readonly #queue = new RunQueue();

  /** @param tiles where tiles that were measured are kept; without it, none are */
  constructor(
    { device, description, software, polls, features, versions }: OpenDevice,
    options: WebgpuOptions,
    tiles?: TileStore,
  ) {
    this.device = description;
    const target = targetOf(device, features, software, options);
    this.versions = { ...versions, precision: target.precision };
    const { timeoutSeconds, memoryLimitBytes } = options;
    const watch = new Watch(device, { waiter: new Waiter(software && polls), timeoutSeconds });
    const pipelines = new PipelineCache(device);
    const tuner = tiles === undefined ? undefined : new TileTuner(device, pipelines, tiles);
    this.#compiler = { device, watch, pipelines, target, tuner, memoryLimitBytes };
  }

  async compile(program: Program, weights: Weights): Promise<Executable> {
    checkWeights(program, weights);
    const compiled = await compileProgram(this.#compiler, program, weights);
    return new WebgpuExecutable(this.#compiler.watch, this.#queue, program, compiled);
  }

  async createState(values: HostTensors): Promise<DeviceState> {
    const { device, watch } = this.#compiler;
    const make = () => new WebgpuState(device, watch, this.#queue, values);
    return allocate(device, watch, make, (state) => state.dispose());
  }

  async dispose(): Promise<void> {
    this.#compiler.watch.release();
  }
}

function targetOf(
  { limits }: GPUDevice,
  { f16, subgroups, subgroupMatrix }: DeviceFeatures,
  software: boolean,
  { precision, kernels = software ? 'subgroup' : 'workgroup' }: WebgpuOptions,
): KernelTarget {
  const size = subgroups !== undefined && subgroups.min === subgroups.max ? subgroups.min : undefined;
  const inSubgroups = kernels === 'subgroup' && size !== undefined && size >= smallestSubgroup;
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
