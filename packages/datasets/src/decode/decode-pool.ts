import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import { FormatError, InternalError } from '@kora-bench/core/errors';
import type {
  DecodeFailure,
  DecodePlan,
  DecodeReply,
  DecodeRequest,
  ExamplePart,
  StoredExample,
} from './stored-example.js';

/** Beyond this, reading the files is the bottleneck and every worker costs tens of megabytes. */
const mostWorkers = 8;

interface Job {
  readonly example: StoredExample;
  readonly plan: DecodePlan;
  readonly where: (part: ExamplePart) => string;
  resolve(packed: Uint8Array<ArrayBuffer>): void;
  reject(error: Error): void;
}

interface Seat {
  readonly worker: Worker;
  job: Job | undefined;
  /**
   * What has become of the job: the worker decodes it; it failed and waits until no other worker decodes; the worker
   * decodes it again, alone.
   */
  stage: 'first' | 'failed' | 'alone';
}

/**
 * Worker threads that decode and resize, one example at a time each. Threads start when there is work
 * for them and do not keep the process alive while idle.
 *
 * The text of libvips' last error belongs to the process: while other threads decode, it may be cleared or hold what
 * ails another image. What fails is therefore decoded a second time while nothing else is.
 */
export class DecodePool {
  readonly size: number;
  readonly #seats: Seat[] = [];
  readonly #queue: Job[] = [];
  #ready: Promise<unknown> | undefined;
  #closed = false;

  constructor(size: number = Math.min(availableParallelism(), mostWorkers)) {
    this.size = Math.max(1, size);
  }

  /**
   * Decodes, resizes and packs one example. Its bytes move to the worker: the caller must not use them
   * afterwards.
   *
   * @param where names a part of the example in an error, e.g. `data.zip: train/a.JPEG`.
   * @throws FormatError when a part cannot be decoded or does not fit the others.
   */
  async prepare(
    example: StoredExample,
    plan: DecodePlan,
    where: (part: ExamplePart) => string,
  ): Promise<Uint8Array<ArrayBuffer>> {
    // libvips must be loaded by the main thread first: its threads outlive a worker that loaded it.
    this.#ready ??= import('sharp');
    await this.#ready;
    return new Promise((resolve, reject) => {
      if (this.#closed) {
        reject(new InternalError('The decode pool is closed.'));
        return;
      }
      this.#queue.push({ example, plan, where, resolve, reject });
      this.#dispatch();
    });
  }

  async close(): Promise<void> {
    this.#closed = true;
    const seats = this.#seats.splice(0);
    for (const job of this.#queue.splice(0)) job.reject(new InternalError('The decode pool was closed.'));
    for (const seat of seats) this.#fail(seat, new InternalError('The decode pool was closed.'));
    await Promise.all(seats.map((seat) => seat.worker.terminate()));
  }

  #dispatch(): void {
    const failed = this.#seats.find(({ stage, job }) => job !== undefined && stage !== 'first');
    if (failed !== undefined) {
      if (this.#seats.some(({ stage, job }) => job !== undefined && stage !== 'failed')) return;
      failed.stage = 'alone';
      post(failed.worker, 'again');
      return;
    }
    while (this.#queue.length > 0) {
      const seat = this.#seats.find((candidate) => candidate.job === undefined) ?? this.#addSeat();
      if (seat === undefined) return;
      const job = this.#queue.shift()!;
      seat.job = job;
      seat.stage = 'first';
      seat.worker.ref();
      post(seat.worker, { example: job.example, plan: job.plan }, transferable(job.example));
    }
  }

  #addSeat(): Seat | undefined {
    if (this.#seats.length >= this.size) return undefined;
    // Flags of the main program (`--input-type`, `--inspect`) are not meant for its workers.
    const worker = new Worker(new URL('./decode-worker.js', import.meta.url), { execArgv: [] });
    const seat: Seat = { worker, job: undefined, stage: 'first' };
    worker.on('message', (reply: DecodeReply) => {
      this.#receive(seat, reply);
      this.#dispatch();
    });
    worker.on('error', (cause) => {
      this.#drop(seat, new InternalError('A decode worker failed.', { cause, received: String(cause) }));
    });
    worker.on('exit', (code) => {
      this.#drop(seat, new InternalError(`A decode worker ended with code ${code}.`));
    });
    this.#seats.push(seat);
    return seat;
  }

  #receive(seat: Seat, reply: DecodeReply): void {
    const { job } = seat;
    if (job === undefined) return;
    if ('failure' in reply && seat.stage === 'first') {
      seat.stage = 'failed';
      return;
    }
    seat.job = undefined;
    seat.worker.unref();
    if ('packed' in reply) job.resolve(reply.packed);
    else job.reject(undecodable(job.where, reply.failure));
  }

  #drop(seat: Seat, error: Error): void {
    const at = this.#seats.indexOf(seat);
    if (at < 0) return;
    this.#seats.splice(at, 1);
    this.#fail(seat, error);
    this.#dispatch();
  }

  #fail(seat: Seat, error: Error): void {
    const job = seat.job;
    seat.job = undefined;
    job?.reject(error);
  }
}

function post(worker: Worker, request: DecodeRequest, transfer: ArrayBuffer[] = []): void {
  worker.postMessage(request, transfer);
}

function undecodable(where: Job['where'], { part, message, ...facts }: DecodeFailure): FormatError {
  return new FormatError(message, { where: where(part), ...facts });
}

/** Small buffers of Node share one allocation, which must not be moved away from its other users. */
function transferable({ image, mask, depth }: StoredExample): ArrayBuffer[] {
  const arrays = [image.bytes, mask?.bytes, depth?.kind === 'metres' ? depth.metres : depth?.bytes];
  const own = new Set<ArrayBuffer>();
  for (const array of arrays) {
    if (array?.buffer instanceof ArrayBuffer && array.buffer.byteLength === array.byteLength) {
      own.add(array.buffer);
    }
  }
  return [...own];
}

/**
 * Milliseconds for which an unused pool is kept. The splits of a run are often opened one after the other, and new
 * threads cost half a second: to start, and to decode and resize slowly until their code is compiled.
 */
const keptUnused = 5_000;

let shared: { readonly pool: DecodePool; users: number; end: NodeJS.Timeout | undefined } | undefined;

/** The pool of this process and a release function; the threads end some time after the last user has gone. */
export function acquireDecodePool(): { pool: DecodePool; release(): void } {
  shared ??= { pool: new DecodePool(), users: 0, end: undefined };
  const held = shared;
  clearTimeout(held.end);
  held.users++;
  let released = false;
  return {
    pool: held.pool,
    release() {
      if (released) return;
      released = true;
      held.users--;
      if (held.users > 0) return;
      held.end = setTimeout(() => {
        shared = undefined;
        void held.pool.close();
      }, keptUnused).unref();
    },
  };
}
