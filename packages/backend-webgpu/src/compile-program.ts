import type { NodeId, Program, Weights } from '@kora-bench/core';
import {
  BackendError,
  lowerComposites,
  rewriteProgram,
  simplify,
  sizeOf,
  stackParallel,
} from '@kora-bench/core';
import { createBuffer, writeTensor } from './device/transfer.js';
import type { BufferPlan } from './memory/plan-buffers.js';
import { planBuffers } from './memory/plan-buffers.js';
import type { PipelineCache } from './pipeline-cache.js';
import type { Kernel } from './plan/plan-kernels.js';
import { planKernels } from './plan/plan-kernels.js';
import type { KernelCode } from './wgsl/write-kernel.js';
import { writeKernel } from './wgsl/write-kernel.js';

/** One kernel, ready to be encoded. */
export interface Dispatch {
  readonly pipeline: GPUComputePipeline;
  readonly workgroups: readonly [number, number, number];
  /** The bind group, given the buffers of states in this run. */
  bind(states: ReadonlyMap<NodeId, GPUBuffer>): GPUBindGroup;
}

export interface CompiledProgram {
  readonly device: GPUDevice;
  /** After rewriting. */
  readonly program: Program;
  readonly dispatches: readonly Dispatch[];
  /** Of every stored value that is not a state. */
  readonly buffers: ReadonlyMap<NodeId, GPUBuffer>;
  readonly memory: BufferPlan;
  dispose(): void;
}

/**
 * Turns a program into kernels with their buffers.
 * @param staging whether products go through the shared memory of workgroups
 * @throws BackendError when a value is too large or the driver refuses a kernel
 */
export async function compileProgram(
  device: GPUDevice,
  pipelines: PipelineCache,
  given: Program,
  weights: Weights,
  staging: boolean,
): Promise<CompiledProgram> {
  const lowered = lowerComposites(rewriteProgram(given, simplify), new Set());
  const program = stackParallel(rewriteProgram(lowered, simplify));
  const { kernels, stored } = planKernels(program, device.limits.maxStorageBuffersPerShaderStage - 1);
  const codes = kernels.map((kernel) => ({ kernel, code: writeKernel(program, stored, kernel, staging) }));
  const compiled = await Promise.all(codes.map(({ code }) => pipelines.get(code.code)));

  const memory = planMemory(program, codes);
  const owned: GPUBuffer[] = [];
  const make = (bytes: number, what: string) => {
    const buffer = createBuffer(device, bytes, what);
    owned.push(buffer);
    return buffer;
  };
  const buffers = new Map<NodeId, GPUBuffer>();
  try {
    for (const { id, op, shape, dtype } of program.nodes) {
      if (!stored.has(id)) continue;
      if (op.kind === 'feed') buffers.set(id, make(4 * sizeOf(shape), `feed "${op.name}"`));
      if (op.kind !== 'frozen' && op.kind !== 'constant') continue;
      const what = op.kind === 'frozen' ? `frozen weight "${op.name}"` : 'constant';
      const buffer = make(4 * sizeOf(shape), what);
      const data = op.kind === 'frozen' ? weights.get(op.name)!.data : op.data;
      writeTensor(device, buffer, { dtype, shape, data });
      buffers.set(id, buffer);
    }
    const shared = memory.sizes.map((bytes, i) => make(bytes, largestIn(program, memory, i)));
    for (const [id, buffer] of memory.bufferOf) buffers.set(id, shared[buffer]!);
  } catch (error) {
    for (const buffer of owned) buffer.destroy();
    throw error;
  }
  const dispatches = codes.map(({ kernel, code: { reads, workgroups } }, i): Dispatch => {
    requireGrid(device, workgroups);
    const pipeline = compiled[i]!;
    const ids = [kernel.destination.buffer, ...reads];
    return { pipeline, workgroups, bind: binder(device, pipeline, ids, buffers) };
  });
  return {
    device,
    program,
    dispatches,
    buffers,
    memory,
    dispose: () => {
      for (const buffer of owned) buffer.destroy();
    },
  };
}

function planMemory(
  program: Program,
  codes: readonly { readonly kernel: Kernel; readonly code: KernelCode }[],
): BufferPlan {
  const uses = codes.map(({ kernel, code }) => ({ writes: kernel.destination.buffer, reads: code.reads }));
  const written = new Set(uses.map(({ writes }) => writes));
  const keep = new Set([...program.outputs.values(), ...program.updates.values()]);
  const bytesOf = (id: NodeId) => (written.has(id) ? 4 * sizeOf(program.nodes[id]!.shape) : undefined);
  return planBuffers(uses, bytesOf, keep);
}

function largestIn({ nodes }: Program, { bufferOf, sizes }: BufferPlan, buffer: number): string {
  const node = nodes.find(
    ({ id, shape }) => bufferOf.get(id) === buffer && 4 * sizeOf(shape) === sizes[buffer],
  )!;
  return `value of ${node.op.kind}${node.scope === '' ? '' : ` in ${node.scope}`}, [${node.shape.join(', ')}]`;
}

/** Bind groups are kept; where a state is bound, one for each of its two buffers. */
function binder(
  device: GPUDevice,
  pipeline: GPUComputePipeline,
  ids: readonly NodeId[],
  buffers: ReadonlyMap<NodeId, GPUBuffer>,
): Dispatch['bind'] {
  const known: { readonly bound: readonly GPUBuffer[]; readonly group: GPUBindGroup }[] = [];
  return (states) => {
    const bound = ids.map((id) => states.get(id) ?? buffers.get(id)!);
    const found = known.find((entry) => entry.bound.every((buffer, i) => buffer === bound[i]));
    if (found !== undefined) return found.group;
    const group = device.createBindGroup({
      layout: pipeline.getBindGroupLayout(0),
      entries: bound.map((buffer, binding) => ({ binding, resource: { buffer } })),
    });
    if (known.length === 4) known.shift();
    known.push({ bound, group });
    return group;
  };
}

function requireGrid(device: GPUDevice, workgroups: readonly number[]): void {
  const limit = device.limits.maxComputeWorkgroupsPerDimension;
  if (workgroups.every((count) => count <= limit)) return;
  throw new BackendError('A product is too large for this GPU.', {
    expected: `at most ${limit} workgroups along each axis`,
    received: workgroups.join(' × '),
    fix: 'Use a smaller batch.',
  });
}
