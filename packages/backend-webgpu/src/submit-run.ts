import type { HostTensor, HostTensors, NodeId } from '@kora-bench/core';
import type { StateRanges } from './bind-buffers.js';
import type { CompiledProgram, Dispatches } from './build-program.js';
import type { BufferRange } from './device/buffer-range.js';
import type { KernelTimer } from './device/kernel-timer.js';
import { writeTensor } from './device/transfer.js';
import { encodeDispatches } from './encode-dispatches.js';

export interface RunSettings {
  readonly feeds: HostTensors;
  /** Where states are in this run, and what is written into them. */
  readonly states: StateRanges;
  readonly timer: KernelTimer | undefined;
  /** Encodes what is to happen after the last kernel. */
  finish(encoder: GPUCommandEncoder): void;
}

/** Uploads the feeds of a run and submits its work, each part of the batch on its own. */
export function submitRun(compiled: CompiledProgram, { feeds, states, timer, finish }: RunSettings): void {
  const { device, schedule, before, body: ofPart, after, ranges } = compiled;
  const rangeOf = (id: NodeId) => states.get(id) ?? ranges.get(id)!;
  let timed = 0;
  const encode = (encoder: GPUCommandEncoder, dispatches: Dispatches) => {
    encodeDispatches(encoder, dispatches, states, timer && { timer, first: timed });
    timed += dispatches.kernels.length;
  };
  const submit = (encoder: GPUCommandEncoder) => device.queue.submit([encoder.finish()]);

  for (const { feed, to } of schedule.feeds) writeTensor(device, rangeOf(to), feeds[feed]!);
  let encoder = device.createCommandEncoder();
  encode(encoder, before);
  if (schedule.body !== undefined) {
    const { body } = schedule;
    for (const id of body.totals) clear(encoder, rangeOf(id));
    for (let number = 0; number < body.parts; number++) {
      // An upload comes before all that is submitted after it: what its memory held must have been used.
      submit(encoder);
      for (const { feed, to } of body.fed) {
        writeTensor(device, rangeOf(to), blockOf(feeds[feed]!, number, body.parts));
      }
      encoder = device.createCommandEncoder();
      for (const { from, to } of body.blocks) {
        const block = rangeOf(to);
        copy(encoder, part(rangeOf(from), number, block.size), block);
      }
      encode(encoder, ofPart);
      for (const { from, to } of body.joined) {
        const block = rangeOf(from);
        copy(encoder, block, part(rangeOf(to), number, block.size));
      }
    }
    encode(encoder, after);
  }
  finish(encoder);
  submit(encoder);
}

/** Block `number` of a tensor along axis 0. */
function blockOf({ dtype, shape, data }: HostTensor, number: number, parts: number): HostTensor {
  const length = data.length / parts;
  const [batch, ...others] = shape;
  const block = data.subarray(number * length, (number + 1) * length);
  return { dtype, shape: [batch! / parts, ...others], data: block };
}

function part({ buffer, offset }: BufferRange, number: number, size: number): BufferRange {
  return { buffer, offset: offset + number * size, size };
}

function clear(encoder: GPUCommandEncoder, { buffer, offset, size }: BufferRange): void {
  encoder.clearBuffer(buffer, offset, size);
}

function copy(encoder: GPUCommandEncoder, from: BufferRange, to: BufferRange): void {
  encoder.copyBufferToBuffer(from.buffer, from.offset, to.buffer, to.offset, from.size);
}
