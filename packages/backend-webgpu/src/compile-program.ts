import type { Cost, NodeId, Program, Weights } from '@kora-bench/core';
import { BackendError, sizeOf } from '@kora-bench/core';
import { createBuffer, writeHalves, writeTensor } from './device/transfer.js';
import type { BufferPlan } from './memory/plan-buffers.js';
import { planBuffers } from './memory/plan-buffers.js';
import type { PipelineCache } from './pipeline-cache.js';
import { bundleKernels } from './plan/bundle-kernels.js';
import { kernelCost, kernelLabel } from './plan/kernel-cost.js';
import type { KernelPlan } from './plan/plan-kernels.js';
import { planKernels } from './plan/plan-kernels.js';
import { prepareProgram } from './prepare-program.js';
import type { TileTuner } from './tuning/tile-tuner.js';
import type { KernelTarget } from './wgsl/kernel-target.js';
import { storedBytes } from './wgsl/scalar.js';
import type { KernelCode } from './wgsl/write-kernel.js';
import { writeKernel } from './wgsl/write-kernel.js';

/** One kernel, ready to be encoded. */
export interface Dispatch {
  readonly pipeline: GPUComputePipeline;
  readonly workgroups: readonly [number, number, number];
  /** What it computes, for tables of times. */
  readonly label: string;
  readonly cost: Cost;
  /** The bind group, given the buffers of states in this run. */
  bind(states: ReadonlyMap<NodeId, GPUBuffer>): GPUBindGroup;
}

export interface CompiledProgram {
  readonly device: GPUDevice;
  /** After rewriting. */
  readonly program: Program;
  readonly dispatches: readonly Dispatch[];
  /** Of every stored value that is neither a state nor written into one. */
  readonly buffers: ReadonlyMap<NodeId, GPUBuffer>;
  /** The state that the kernel of a value writes into, by value. */
  readonly intoStates: ReadonlyMap<NodeId, string>;
  readonly memory: BufferPlan;
  dispose(): void;
}

/**
 * Turns a program into kernels with their buffers.
 * @param tuner finds the best kernels for `general`'s device; without one they are chosen by rules
 * @throws BackendError when a value is too large or the driver refuses a kernel
 */
export async function compileProgram(
  device: GPUDevice,
  pipelines: PipelineCache,
  given: Program,
  weights: Weights,
  general: KernelTarget,
  tuner?: TileTuner,
): Promise<CompiledProgram> {
  const program = prepareProgram(given);
  const plan = planKernels(program, general.mostBuffers - 1, general.precision);
  const target = tuner === undefined ? general : await tuner.tune(program, plan, general);
  const alone = plan.kernels.map((kernel) => writeKernel(program, plan, [kernel], target));
  const bundles = bundleKernels(program, plan.kernels, alone, target.mostBuffers);
  const codes = bundles.map((bundle) => writeKernel(program, plan, bundle, target));
  const compiled = await Promise.all(codes.map(({ code }) => pipelines.get(code)));

  const intoStates = valuesIntoStates(program, codes);
  const memory = planMemory(program, plan, codes, intoStates);
  const owned: GPUBuffer[] = [];
  const own = (buffer: GPUBuffer) => {
    owned.push(buffer);
    return buffer;
  };
  const dispose = () => {
    for (const buffer of owned) buffer.destroy();
  };
  try {
    const buffers = new Map([
      ...sourceBuffers(device, program, plan, weights, own),
      ...plannedBuffers(device, program, plan, memory, own),
    ]);
    const dispatches = codes.map(({ writes, reads, offsets, workgroups }, i): Dispatch => {
      requireGrid(device, workgroups);
      const pipeline = compiled[i]!;
      const constants = offsets.length === 0 ? [] : [own(offsetBuffer(device, offsets))];
      return {
        pipeline,
        workgroups,
        label: kernelLabel(program, bundles[i]!),
        cost: kernelCost(program, plan, bundles[i]!),
        bind: binder(device, pipeline, [...writes, ...reads], buffers, constants),
      };
    });
    return { device, program, dispatches, buffers, intoStates, memory, dispose };
  } catch (error) {
    dispose();
    throw error;
  }
}

/** Updates that a kernel can write straight into the next value of their state. */
function valuesIntoStates({ updates }: Program, codes: readonly KernelCode[]): Map<NodeId, string> {
  const written = new Set(codes.flatMap(({ writes }) => writes));
  // Of two states with the same new value, one is written and the other copied.
  return new Map([...updates].flatMap(([name, id]) => (written.has(id) ? [[id, name] as const] : [])));
}

function planMemory(
  program: Program,
  plan: KernelPlan,
  codes: readonly KernelCode[],
  intoStates: ReadonlyMap<NodeId, string>,
): BufferPlan {
  const written = new Set(codes.flatMap(({ writes }) => writes));
  const keep = new Set([...program.outputs.values(), ...program.updates.values()]);
  const plannedBytes = (id: NodeId) =>
    written.has(id) && !intoStates.has(id) ? bytesOf(program, plan, id) : undefined;
  return planBuffers(codes, plannedBytes, keep);
}

/** Of a stored value. */
function bytesOf({ nodes }: Program, { storageOf }: KernelPlan, id: NodeId): number {
  return storedBytes(storageOf(id)) * sizeOf(nodes[id]!.shape);
}

/** Buffers of feeds, weights and constants. */
function sourceBuffers(
  device: GPUDevice,
  program: Program,
  plan: KernelPlan,
  weights: Weights,
  own: (buffer: GPUBuffer) => GPUBuffer,
): Map<NodeId, GPUBuffer> {
  const buffers = new Map<NodeId, GPUBuffer>();
  for (const { id, op, shape, dtype } of program.nodes) {
    if (!plan.stored.has(id)) continue;
    const bytes = bytesOf(program, plan, id);
    if (op.kind === 'feed') buffers.set(id, own(createBuffer(device, bytes, `feed "${op.name}"`)));
    if (op.kind !== 'frozen' && op.kind !== 'constant') continue;
    const what = op.kind === 'frozen' ? `frozen weight "${op.name}"` : 'constant';
    const buffer = own(createBuffer(device, bytes, what));
    const data = op.kind === 'frozen' ? weights.get(op.name)!.data : op.data;
    if (plan.storageOf(id) === 'f16') writeHalves(device, buffer, data);
    else writeTensor(device, buffer, { dtype, shape, data });
    buffers.set(id, buffer);
  }
  return buffers;
}

function plannedBuffers(
  device: GPUDevice,
  program: Program,
  plan: KernelPlan,
  { bufferOf, sizes }: BufferPlan,
  own: (buffer: GPUBuffer) => GPUBuffer,
): Map<NodeId, GPUBuffer> {
  const shared = sizes.map((bytes, i) => {
    const largest = program.nodes.find(
      ({ id }) => bufferOf.get(id) === i && bytesOf(program, plan, id) === bytes,
    )!;
    const { op, scope, shape } = largest;
    const where = scope === '' ? '' : ` in ${scope}`;
    return own(createBuffer(device, bytes, `value of ${op.kind}${where}, [${shape.join(', ')}]`));
  });
  return new Map([...bufferOf].map(([id, buffer]) => [id, shared[buffer]!]));
}

function offsetBuffer(device: GPUDevice, offsets: readonly number[]): GPUBuffer {
  const { UNIFORM, COPY_DST } = GPUBufferUsage;
  const size = 16 * Math.ceil(offsets.length / 4);
  const buffer = device.createBuffer({ label: 'offsets', size, usage: UNIFORM | COPY_DST });
  device.queue.writeBuffer(buffer, 0, Uint32Array.from(offsets));
  return buffer;
}

/** Bind groups are kept; where a state is bound, one for each of its two buffers. */
function binder(
  device: GPUDevice,
  pipeline: GPUComputePipeline,
  ids: readonly NodeId[],
  buffers: ReadonlyMap<NodeId, GPUBuffer>,
  constants: readonly GPUBuffer[],
): Dispatch['bind'] {
  const known: { readonly bound: readonly GPUBuffer[]; readonly group: GPUBindGroup }[] = [];
  const fixed = ids.every((id) => buffers.has(id));
  return (states) => {
    if (fixed && known.length === 1) return known[0]!.group;
    const bound = ids.map((id) => states.get(id) ?? buffers.get(id)!);
    const found = known.find((entry) => entry.bound.every((buffer, i) => buffer === bound[i]));
    if (found !== undefined) return found.group;
    const group = device.createBindGroup({
      layout: pipeline.getBindGroupLayout(0),
      entries: [...bound, ...constants].map((buffer, binding) => ({ binding, resource: { buffer } })),
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
