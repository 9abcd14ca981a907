import type { NodeId } from '@kora-bench/core';
import type { CompiledProgram, Dispatches } from './build-program.js';
import type { BufferRange } from './device/buffer-range.js';
import { wholeBuffer } from './device/buffer-range.js';
import type { KernelTimer } from './device/kernel-timer.js';
import { Readback } from './device/readback.js';
import type { StagingBuffers } from './device/staging-buffers.js';
import { encodeDispatches } from './encode-dispatches.js';
import type { RunPlaces } from './run-places.js';

/** The commands of one run, which can be submitted once. */
export interface EncodedRun {
  /** What comes before the parts of the batch, then each part; a run of the whole batch is all in the first. */
  readonly commands: readonly GPUCommandBuffer[];
  readonly readback: Readback;
}

/**
 * Encodes a run; nothing in it depends on what is fed.
 * @param staging where the buffer for what it brings back comes from
 */
export function encodeRun(
  compiled: CompiledProgram,
  staging: StagingBuffers,
  places: RunPlaces,
  timer?: KernelTimer,
): EncodedRun {
  const { device, schedule, before, body: ofPart, after, ranges } = compiled;
  const states = stateRanges(compiled, places);
  const rangeOf = (id: NodeId) => states.get(id) ?? ranges.get(id)!;
  let timed = 0;
  const encode = (encoder: GPUCommandEncoder, dispatches: Dispatches) => {
    encodeDispatches(encoder, dispatches, states, timer && { timer, first: timed });
    timed += dispatches.pipelines.length;
  };

  const commands: GPUCommandBuffer[] = [];
  let encoder = device.createCommandEncoder();
  encode(encoder, before);
  if (schedule.body !== undefined) {
    const { body } = schedule;
    for (const id of body.totals) clear(encoder, rangeOf(id));
    for (let number = 0; number < body.parts; number++) {
      // An upload comes before all that is submitted after it: what its memory held must have been used.
      commands.push(encoder.finish());
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
  for (const { name, next } of places.states) {
    const id = schedule.updates.get(name);
    if (id !== undefined && compiled.intoStates.get(id) !== name)
      copy(encoder, rangeOf(id), wholeBuffer(next!));
  }
  const fetched = places.fetch.map((name) => {
    const id = schedule.outputs.get(name)!;
    const { dtype, shape } = schedule.values[id]!;
    return { name, from: rangeOf(id), dtype, shape };
  });
  const readback = new Readback(device, staging, encoder, fetched);
  timer?.resolve(encoder);
  commands.push(encoder.finish());
  return { commands, readback };
}

/** Where states are, and what is written into their next places, by node. */
function stateRanges({ states, intoStates }: CompiledProgram, places: RunPlaces): Map<NodeId, BufferRange> {
  const byName = new Map(places.states.map((state) => [state.name, state]));
  const found = new Map<NodeId, BufferRange>();
  for (const [id, name] of states) found.set(id, wholeBuffer(byName.get(name)!.current));
  for (const [id, name] of intoStates) found.set(id, wholeBuffer(byName.get(name)!.next!));
  return found;
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
