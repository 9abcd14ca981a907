import type { Cost, NodeId, ProgramMemory, Weights } from '@kora-bench/core';
import { bindBuffers } from './bind-buffers.js';
import type { BufferRange } from './device/buffer-range.js';
import { wholeBuffer } from './device/buffer-range.js';
import { createBuffer, writeHalves, writeTensor } from './device/transfer.js';
import type { MemoryPlan } from './memory/plan-memory.js';
import { bytesOf } from './memory/plan-memory.js';
import type { Schedule, ScheduledValue, Step } from './schedule/schedule.js';

/** One kernel, ready to be encoded. */
export interface Dispatch {
  readonly pipeline: GPUComputePipeline;
  readonly workgroups: readonly [number, number, number];
  /** What it computes, for tables of times. */
  readonly label: string;
  readonly cost: Cost;
  /** The bind group, given where states are in this run. */
  bind(states: ReadonlyMap<NodeId, BufferRange>): GPUBindGroup;
}

/** A schedule with all that the device needs to follow it. */
export interface CompiledProgram {
  readonly device: GPUDevice;
  readonly schedule: Schedule;
  readonly before: readonly Dispatch[];
  /** Of one part of the batch; empty where the whole batch is worked on at once. */
  readonly body: readonly Dispatch[];
  readonly after: readonly Dispatch[];
  /** Where every value is that is neither a state nor written into one. */
  readonly ranges: ReadonlyMap<NodeId, BufferRange>;
  /** The state that the kernel of a value writes into, by value. */
  readonly intoStates: ReadonlyMap<NodeId, string>;
  readonly memory: ProgramMemory;
  dispose(): void;
}

/**
 * Makes the buffers of a schedule and fills those of its weights.
 * @param pipelines of every kernel, by its code
 */
export function buildProgram(
  device: GPUDevice,
  pipelines: ReadonlyMap<string, GPUComputePipeline>,
  schedule: Schedule,
  { buffers: planned, weights: kept, intoStates, memory }: MemoryPlan,
  weights: Weights,
): CompiledProgram {
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
    for (const { bytes, places } of planned) {
      const buffer = own(createBuffer(device, bytes, values[places[0]!.id]!.label));
      for (const { id, offset, bytes: size } of places) ranges.set(id, { buffer, offset, size });
    }
    const dispatch = ({ code, label, cost }: Step): Dispatch => {
      const { writes, reads, offsets, workgroups } = code;
      const pipeline = pipelines.get(code.code)!;
      const constants = offsets.length === 0 ? [] : [wholeBuffer(own(offsetBuffer(device, offsets)))];
      const bind = bindBuffers(device, pipeline, [...writes, ...reads], ranges, constants);
      return { pipeline, workgroups, label, cost, bind };
    };
    return {
      device,
      schedule,
      before: before.map(dispatch),
      body: (body?.steps ?? []).map(dispatch),
      after: after.map(dispatch),
      ranges,
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

function offsetBuffer(device: GPUDevice, offsets: readonly number[]): GPUBuffer {
  const { UNIFORM, COPY_DST } = GPUBufferUsage;
  const size = 16 * Math.ceil(offsets.length / 4);
  const buffer = device.createBuffer({ label: 'offsets', size, usage: UNIFORM | COPY_DST });
  device.queue.writeBuffer(buffer, 0, Uint32Array.from(offsets));
  return buffer;
}
