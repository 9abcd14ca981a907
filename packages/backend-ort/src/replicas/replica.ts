import { Worker } from 'node:worker_threads';
import type { DType, Shape } from '@kora-bench/core/graph';
import type { OrtOptions } from '../engine/options.js';
import type { EncodedProgram } from '../engine/session.js';

export type HostArray = Float32Array | Int32Array | Uint8Array;

/** What a replica's thread is started with. */
export interface ReplicaJob {
  /** The program of one part of the batch. */
  readonly part: EncodedProgram;
  readonly options: OrtOptions;
  readonly inputs: readonly ReplicaInput[];
}

/** An input of the part's model. */
export interface ReplicaInput {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: Shape;
  /** In memory that both threads see; written before a run is asked for. */
  readonly data: HostArray;
}

export type ReplicaRequest = 'run' | 'close';

/** What a replica answers: its outputs by name (none when it has just started), or why it has none. */
export type ReplicaAnswer =
  | { readonly outputs: Readonly<Record<string, HostArray>> }
  | { readonly failure: string };

/** A thread that computes one part of the batch. */
export class Replica {
  readonly #thread: Worker;
  readonly #end: Promise<ReplicaAnswer>;

  /** Starts the thread; `ready` says when it can run. */
  constructor(job: ReplicaJob) {
    const thread = new Worker(new URL('./replica-thread.js', import.meta.url), { workerData: job });
    this.#thread = thread;
    this.#end = new Promise((resolve) => {
      let failure = 'A replica’s thread ended unexpectedly.';
      thread.on('error', (error: Error) => {
        failure = error.message;
      });
      thread.on('exit', () => resolve({ failure }));
    });
  }

  /** @throws Error when the engine cannot be loaded or refuses the program */
  async ready(): Promise<void> {
    await this.#answer();
  }

  /** Runs once with what the inputs hold now. @returns the outputs by name */
  async run(): Promise<Readonly<Record<string, HostArray>>> {
    this.#thread.postMessage('run' satisfies ReplicaRequest);
    return this.#answer();
  }

  async dispose(): Promise<void> {
    this.#thread.ref();
    this.#thread.postMessage('close' satisfies ReplicaRequest);
    await this.#end;
  }

  /** The thread keeps the process alive only while something is expected from it. */
  async #answer(): Promise<Readonly<Record<string, HostArray>>> {
    this.#thread.ref();
    const message = new Promise<ReplicaAnswer>((resolve) => this.#thread.once('message', resolve));
    const answer = await Promise.race([message, this.#end]);
    this.#thread.unref();
    if ('failure' in answer) throw new Error(answer.failure);
    return answer.outputs;
  }
}
