import type { GraphNode } from '@kora-bench/core/graph';
import { sizeOf, sourcesOf } from '@kora-bench/core/graph';
import type { Tensor } from 'onnxruntime-node';
import type { Engine } from '../engine/engine.js';
import { storage, wrap } from '../engine/host-tensors.js';
import type { OrtOptions } from '../engine/options.js';
import type { EncodedProgram, Runner, Tensors } from '../engine/session.js';
import { refusal, runError } from '../engine/session.js';
import { feedName, outputName, stateName } from '../export/export-program.js';
import { bytesOf, typedArrayOf } from '../onnx/onnx-graph.js';
import type { HostArray, ReplicaInput } from './replica.js';
import { Replica } from './replica.js';
import type { SharedBatch } from './share-batch.js';
import { replicaFeed } from './share-batch.js';

/** An input of the whole program, and memory for it that the replicas read. */
interface Handed {
  readonly name: string;
  readonly memory: HostArray;
}

/** What a {@link ReplicatedRunner} runs. */
export interface ReplicatedProgram {
  readonly engine: Engine;
  readonly shared: SharedBatch;
  /** `shared.part`. */
  readonly part: EncodedProgram;
  /** Runs `shared.rest`. */
  readonly rest: Runner;
}

/** A program whose batch is shared by replicas in threads of their own. */
export class ReplicatedRunner implements Runner {
  readonly inputNames: ReadonlySet<string>;
  readonly #engine: Engine;
  readonly #shared: SharedBatch;
  readonly #rest: Runner;
  readonly #handed: readonly Handed[];
  readonly #replicas: readonly Replica[];

  private constructor(
    { engine, shared, rest }: ReplicatedProgram,
    handed: readonly Handed[],
    replicas: readonly Replica[],
  ) {
    this.#engine = engine;
    this.#shared = shared;
    this.#rest = rest;
    this.#handed = handed;
    this.#replicas = replicas;
    this.inputNames = new Set([...rest.inputNames, ...handed.map(({ name }) => name)]);
  }

  /**
   * Starts the replicas.
   * @param program its `rest` belongs to the runner once this resolves
   * @param options of one replica
   * @throws BackendError when the engine refuses the part
   */
  static async open(program: ReplicatedProgram, options: OrtOptions): Promise<ReplicatedRunner> {
    const { shared, part } = program;
    const { handed, inputsOf } = placeInputs(shared);
    const replicas = Array.from(
      { length: shared.replicas },
      (_, replica) => new Replica({ part, options, inputs: inputsOf(replica) }),
    );
    const started = await Promise.allSettled(replicas.map((replica) => replica.ready()));
    const failed = started.find((outcome) => outcome.status === 'rejected');
    if (failed === undefined) return new ReplicatedRunner(program, handed, replicas);
    await Promise.all(replicas.map((replica) => replica.dispose()));
    throw refusal('cpu', (failed.reason as Error).message, failed.reason);
  }

  async run(inputs: Tensors, results: Tensors): Promise<void> {
    for (const { name, memory } of this.#handed) memory.set(inputs[name]!.data as HostArray);
    const outcomes = await Promise.allSettled(this.#replicas.map((replica) => replica.run()));
    const own: Record<string, Tensor> = {};
    outcomes.forEach((outcome, replica) => {
      if (outcome.status === 'rejected') throw runError((outcome.reason as Error).message, outcome.reason);
      Object.assign(own, this.#resultsOf(replica, outcome.value));
    });
    const known = Object.entries({ ...inputs, ...own }).filter(([name]) => this.#rest.inputNames.has(name));
    await this.#rest.run(Object.fromEntries(known), results);
  }

  async dispose(): Promise<void> {
    await Promise.all([...this.#replicas, this.#rest].map((one) => one.dispose()));
  }

  #resultsOf(replica: number, outputs: Readonly<Record<string, HostArray>>): Tensors {
    const { part } = this.#shared;
    return Object.fromEntries(
      [...part.outputs].map(([output, id]) => {
        const { dtype, shape } = part.nodes[id]!;
        const tensor = wrap(this.#engine, dtype, shape, outputs[outputName(output)]!);
        return [feedName(replicaFeed(output, replica)), tensor];
      }),
    );
  }
}

/** Gives every input of the part memory that all threads see. */
function placeInputs({ part, reads }: SharedBatch): {
  readonly handed: readonly Handed[];
  inputsOf(replica: number): ReplicaInput[];
} {
  const handed: Handed[] = [];
  const feeds = new Map(sourcesOf(part, 'feed').map(({ name, node }) => [name, node]));
  const placed = [
    ...reads.map(({ feed, from, cut }) => {
      const { op } = from;
      const constant = op.kind === 'constant';
      const memory = inSharedMemory(constant ? typedArrayOf(from.dtype, op.data) : emptyArray(from));
      if (op.kind === 'feed') handed.push({ name: feedName(op.name), memory });
      return { name: feedName(feed), node: feeds.get(feed)!, memory, cut };
    }),
    ...sourcesOf(part, 'state').map(({ name, node }) => {
      const memory = inSharedMemory(emptyArray(node));
      handed.push({ name: stateName(name), memory });
      return { name: stateName(name), node, memory, cut: false };
    }),
  ];
  const inputsOf = (replica: number) =>
    placed.map(({ name, node: { dtype, shape }, memory, cut }) => {
      const length = sizeOf(shape);
      const data = cut ? memory.subarray(replica * length, (replica + 1) * length) : memory;
      return { name, dtype, shape, data };
    });
  return { handed, inputsOf };
}

function emptyArray({ dtype, shape }: GraphNode): HostArray {
  return new storage[dtype](sizeOf(shape));
}

/** A copy of `array` that threads can share. */
function inSharedMemory(array: HostArray): HostArray {
  const bytes = new Uint8Array(new SharedArrayBuffer(array.byteLength));
  bytes.set(bytesOf(array));
  if (array instanceof Float32Array) return new Float32Array(bytes.buffer);
  return array instanceof Int32Array ? new Int32Array(bytes.buffer) : bytes;
}
