import type { ProgramMemory } from '@kora-bench/core/backend';
import type { NodeId, Weights } from '@kora-bench/core/graph';
import type { BufferRange } from '../device/buffers.js';
import { createBuffer, wholeBuffer, writeHalves, writeTensor } from '../device/buffers.js';
import type { MemoryPlan } from './plan-memory.js';
import { bytesOf } from './plan-memory.js';
import type { Schedule, ScheduledValue, Step } from './schedule.js';

/**
 * Kernels in an order to run in, ready to be encoded: lists that are read from their start to their end, for
 * what is scattered over the memory takes longer to find than to use.
 */
export interface Dispatches {
  readonly pipelines: readonly GPUComputePipeline[];
  /** Three numbers for each. */
  readonly workgroups: Uint32Array;
  /** The bind group of each. */
  groupsOf(states: StateRanges): readonly GPUBindGroup[];
  /** What each computes, for tables of times. */
  readonly steps: readonly Pick<Step, 'label' | 'cost'>[];
}

/** A schedule with all that the device needs to follow it. */
export interface CompiledProgram {
  readonly device: GPUDevice;
  readonly schedule: Schedule;
  readonly before: Dispatches;
  /** Of one part of the batch; none where the whole batch is worked on at once. */
  readonly body: Dispatches;
  readonly after: Dispatches;
  /** Where every value is that is neither a state nor written into one. */
  readonly ranges: ReadonlyMap<NodeId, BufferRange>;
  /** The state that a value is, by value. */
  readonly states: ReadonlyMap<NodeId, string>;
  /** The state that the kernel of a value writes into, by value. */
  readonly intoStates: ReadonlyMap<NodeId, string>;
  readonly memory: ProgramMemory;
  dispose(): void;
}

/** What a program is built from. */
export interface BuildInputs {
  readonly schedule: Schedule;
  readonly plan: MemoryPlan;
  /** Of every kernel, by its code. */
  readonly pipelines: ReadonlyMap<string, GPUComputePipeline>;
  readonly weights: Weights;
}

/** Makes the buffers of a schedule and fills those of its weights. */
export function buildProgram(
  device: GPUDevice,
  { schedule, plan, pipelines, weights }: BuildInputs,
): CompiledProgram {
  const { buffers: planned, weights: kept, intoStates, memory } = plan;
  const owned: GPUBuffer[] = [];
  const own = (buffer: GPUBuffer) => {
    owned.push(buffer);
    return buffer;
  };
  const dispose = () => {
    for (const buffer of owned) buffer.destroy();
  };
  const { values, before, body, after } = schedule;
  try {
    const ranges = new Map<NodeId, BufferRange>();
    for (const value of kept) {
      const range = wholeBuffer(own(createBuffer(device, bytesOf(value), value.label)));
      fill(device, range, value, weights);
      ranges.set(value.id, range);
    }
    for (const { bytes, held } of planned) {
      const buffer = own(createBuffer(device, bytes, values[held[0]!.id]!.label));
      for (const { id, offset, bytes: size } of held) ranges.set(id, { buffer, offset, size });
    }
    const offsets = writeOffsets(device, [...before, ...(body?.steps ?? []), ...after], own);
    const bind = (step: Step) => {
      const { code, writes, reads } = step.code;
      const ids = [...writes, ...reads];
      return bindBuffers(device, pipelines.get(code)!, { ids, ranges, constants: offsets.get(step) });
    };
    const dispatches = (steps: readonly Step[]): Dispatches => {
      return {
        pipelines: steps.map(({ code }) => pipelines.get(code.code)!),
        workgroups: Uint32Array.from(steps.flatMap(({ code }) => code.workgroups)),
        groupsOf: keepGroups(steps.map(bind)),
        steps,
      };
    };
    return {
      device,
      schedule,
      before: dispatches(before),
      body: dispatches(body?.steps ?? []),
      after: dispatches(after),
      ranges,
      states: new Map(values.flatMap(({ id, op }) => (op.kind === 'state' ? [[id, op.name] as const] : []))),
      intoStates,
      memory,
      dispose,
    };
  } catch (error) {
    dispose();
    throw error;
  }
}

function fill(
  device: GPUDevice,
  range: BufferRange,
  { op, dtype, shape, storage }: ScheduledValue,
  weights: Weights,
): void {
  if (op.kind !== 'frozen' && op.kind !== 'constant') return;
  const data = op.kind === 'frozen' ? weights.get(op.name)!.data : op.data;
  if (storage === 'f16') writeHalves(device, range, data);
  else writeTensor(device, range, { dtype, shape, data });
}

/** Writes the numbers of all steps into one buffer: a buffer of its own would cost the host time in every run. */
function writeOffsets(
  device: GPUDevice,
  steps: readonly Step[],
  own: (buffer: GPUBuffer) => GPUBuffer,
): ReadonlyMap<Step, BufferRange> {
  const alignment = device.limits.minUniformBufferOffsetAlignment;
  const given = steps.filter(({ code }) => code.offsets.length > 0);
  if (given.length === 0) return new Map();
  let end = 0;
  const spans = given.map(({ code }) => {
    const offset = end;
    const size = 16 * Math.ceil(code.offsets.length / 4);
    end = alignment * Math.ceil((offset + size) / alignment);
    return { offset, size };
  });
  const numbers = new Uint32Array(end / 4);
  for (const [i, { code }] of given.entries()) numbers.set(code.offsets, spans[i]!.offset / 4);
  const { UNIFORM, COPY_DST } = GPUBufferUsage;
  const buffer = own(device.createBuffer({ label: 'offsets', size: end, usage: UNIFORM | COPY_DST }));
  device.queue.writeBuffer(buffer, 0, numbers);
  return new Map(given.map((step, i) => [step, { buffer, ...spans[i]! }]));
}

/** Where states are in a run, and what is written into them, by node. */
export type StateRanges = ReadonlyMap<NodeId, BufferRange>;

/** The bind group of a kernel, given where states are. */
type BindGroupOf = (states: StateRanges) => GPUBindGroup;

/** For how many sets of the states' buffers bind groups are kept; each state has two buffers, which it swaps. */
const mostKept = 4;

/** What a kernel is bound to. */
interface Bound {
  /** In the order of their bindings. */
  readonly ids: readonly NodeId[];
  /** Of all values that are not in states. */
  readonly ranges: ReadonlyMap<NodeId, BufferRange>;
  /** Bound behind them. */
  readonly constants: BufferRange | undefined;
}

/** Makes the bind groups of a kernel. */
function bindBuffers(
  device: GPUDevice,
  pipeline: GPUComputePipeline,
  { ids, ranges, constants }: Bound,
): BindGroupOf {
  const groupOf: BindGroupOf = (states) => {
    const bound = ids.map((id) => states.get(id) ?? ranges.get(id)!);
    if (constants !== undefined) bound.push(constants);
    return device.createBindGroup({
      layout: pipeline.getBindGroupLayout(0),
      entries: bound.map((resource, binding) => ({ binding, resource })),
    });
  };
  if (!ids.every((id) => ranges.has(id))) return groupOf;
  let only: GPUBindGroup | undefined;
  return (states) => {
    only ??= groupOf(states);
    return only;
  };
}

/** Makes the bind groups of many kernels and keeps them: a step must not look for each anew. */
function keepGroups(kernels: readonly BindGroupOf[]): (states: StateRanges) => readonly GPUBindGroup[] {
  const kept: { readonly buffers: readonly GPUBuffer[]; readonly groups: readonly GPUBindGroup[] }[] = [];
  return (states) => {
    const buffers = [...states.values()].map(({ buffer }) => buffer);
    const known = kept.find((entry) => entry.buffers.every((buffer, i) => buffer === buffers[i]));
    if (known !== undefined) return known.groups;
    const groups = kernels.map((groupOf) => groupOf(states));
    if (kept.length === mostKept) kept.shift();
    kept.push({ buffers, groups });
    return groups;
  };
}
