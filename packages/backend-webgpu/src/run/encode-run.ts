import type { NodeId } from '@kora-bench/core/graph';
import type { CompiledProgram, Dispatches, StateRanges } from '../compile/build-program.js';
import type { BufferRange } from '../device/buffers.js';
import { wholeBuffer } from '../device/buffers.js';
import { Readback, StagingBuffers } from '../device/readback.js';
import type { KernelTimer } from './profile.js';

/** Where a run finds a state, and where it leaves the next value if it updates it. */
export interface StateBuffers {
  readonly name: string;
  readonly current: GPUBuffer;
  readonly next?: GPUBuffer;
}

/** All that the commands of a program's run depend on. */
export interface RunBindings {
  /** Always in the same order for one program. */
  readonly states: readonly StateBuffers[];
  /** Names of outputs, each once. */
  readonly fetch: readonly string[];
}

/** Whether the commands for the one are those for the other. */
function sameBindings(a: RunBindings, b: RunBindings): boolean {
  return (
    a.fetch.length === b.fetch.length &&
    a.fetch.every((name, i) => name === b.fetch[i]) &&
    a.states.every(({ current, next }, i) => current === b.states[i]!.current && next === b.states[i]!.next)
  );
}

/** The bindings of the next run, if it is like this one and this one succeeds: both buffers of a state are swapped. */
function bindingsAfter({ states, fetch }: RunBindings): RunBindings {
  const after = states.map((state) =>
    state.next === undefined ? state : { ...state, current: state.next, next: state.current },
  );
  return { states: after, fetch };
}

/** The commands of one run, which can be submitted once. */
export interface EncodedRun {
  /** What comes before the parts of the batch, then each part; a run of the whole batch is all in the first. */
  readonly commands: readonly GPUCommandBuffer[];
  readonly readback: Readback;
}

/**
 * Encodes the runs of a program. Encoding takes the host longer than submitting, and a device has nothing to
 * do when a run that is waited for has ended; so the commands of the next run are encoded while it works.
 * Which that is can only be guessed: one like the last. Once it was, its successor is encoded ahead.
 */
export class RunEncoder {
  readonly #compiled: CompiledProgram;
  readonly #staging: StagingBuffers;
  #guess: RunBindings | undefined;
  #guessedRight = false;
  #ahead: EncodedRun | undefined;

  constructor(compiled: CompiledProgram) {
    this.#compiled = compiled;
    this.#staging = new StagingBuffers(compiled.device);
  }

  /** The commands of a run. */
  encode(bindings: RunBindings, timer?: KernelTimer): EncodedRun {
    this.#guessedRight = this.#guess !== undefined && sameBindings(this.#guess, bindings);
    const ahead = this.#ahead;
    this.#ahead = undefined;
    if (ahead !== undefined && this.#guessedRight && timer === undefined) return ahead;
    ahead?.readback.dispose();
    return encodeRun(this.#compiled, this.#staging, bindings, timer);
  }

  /** Encodes what should come next. To be called when the run with these bindings was submitted. */
  encodeNext(bindings: RunBindings): void {
    this.#guess = bindingsAfter(bindings);
    if (this.#guessedRight) this.#ahead = encodeRun(this.#compiled, this.#staging, this.#guess);
  }

  dispose(): void {
    this.#ahead?.readback.dispose();
    this.#ahead = undefined;
    this.#staging.dispose();
  }
}

/**
 * Encodes a run; nothing in it depends on what is fed.
 * @param staging where the buffer for what it brings back comes from
 */
function encodeRun(
  compiled: CompiledProgram,
  staging: StagingBuffers,
  bindings: RunBindings,
  timer?: KernelTimer,
): EncodedRun {
  const { device, schedule, before, body: ofPart, after, ranges } = compiled;
  const states = stateRanges(compiled, bindings);
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
  for (const { name, next } of bindings.states) {
    const id = schedule.updates.get(name);
    if (id !== undefined && compiled.intoStates.get(id) !== name)
      copy(encoder, rangeOf(id), wholeBuffer(next!));
  }
  const fetched = bindings.fetch.map((name) => {
    const id = schedule.outputs.get(name)!;
    const { dtype, shape } = schedule.values[id]!;
    return { name, from: rangeOf(id), dtype, shape };
  });
  const readback = new Readback(device, staging, encoder, fetched);
  timer?.resolve(encoder);
  commands.push(encoder.finish());
  return { commands, readback };
}

/** Where states are, and what is written into their next buffers, by node. */
function stateRanges(
  { states, intoStates }: CompiledProgram,
  bindings: RunBindings,
): Map<NodeId, BufferRange> {
  const byName = new Map(bindings.states.map((state) => [state.name, state]));
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

/** Encodes kernels: all in one pass, or each in a pass of its own that a timer takes the time of. */
function encodeDispatches(
  encoder: GPUCommandEncoder,
  { pipelines, workgroups, groupsOf }: Dispatches,
  states: StateRanges,
  timing?: { readonly timer: KernelTimer; readonly first: number },
): void {
  const groups = groupsOf(states);
  let pass = timing === undefined ? encoder.beginComputePass() : undefined;
  let current: GPUComputePipeline | undefined;
  for (let i = 0; i < pipelines.length; i++) {
    const pipeline = pipelines[i]!;
    if (timing !== undefined) {
      pass = encoder.beginComputePass({ timestampWrites: timing.timer.writes(timing.first + i) });
      current = undefined;
    }
    if (pipeline !== current) pass!.setPipeline(pipeline);
    current = pipeline;
    pass!.setBindGroup(0, groups[i]!);
    pass!.dispatchWorkgroups(workgroups[3 * i]!, workgroups[3 * i + 1], workgroups[3 * i + 2]);
    if (timing !== undefined) pass!.end();
  }
  if (timing === undefined) pass!.end();
}
