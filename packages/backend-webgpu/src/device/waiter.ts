/** The part of a job's usual time that is slept through. */
const sleptShare = 0.9;
/** Jobs that usually take less than this are not slept through: timers are too coarse. Milliseconds. */
const shortest = 5;
/** A promise that resolves within this time, or this share of the job's, was ready before it was made. */
const readyWithin = { milliseconds: 1.5, share: 0.02 };
/** By how much the usual time is lowered after sleeping too long, and raised at most by a slow job. */
const change = { down: 0.7, up: 1.2 };

/**
 * Waits for jobs of the GPU. While one of Dawn's promises is pending in Node, the event loop turns without a
 * pause, which takes a whole core away from a driver that computes on the CPU. So the promise is made late.
 */
export class Waiter {
  readonly #sleeps: boolean;
  /** In milliseconds; Infinity after the first time, which also compiled kernels and tells nothing. */
  readonly #usual = new WeakMap<object, number>();

  /** @param sleeps whether to sleep at all; a GPU needs no core, and its jobs are short */
  constructor(sleeps: boolean) {
    this.#sleeps = sleeps;
  }

  /**
   * @param job what is waited for; jobs of one identity take about the same time
   * @param start makes the promise of its end, after the job was submitted
   */
  async wait<T>(job: object, start: () => Promise<T>): Promise<T> {
    if (!this.#sleeps) return start();
    const submitted = performance.now();
    const usual = this.#usual.get(job);
    const sleeps = usual !== undefined && usual >= shortest && usual < Infinity;
    if (sleeps) await new Promise((resolve) => setTimeout(resolve, sleptShare * usual));
    const asked = performance.now();
    const result = await start();
    const ended = performance.now();
    const late = sleeps ? ended - asked : Infinity;
    this.#usual.set(job, usual === undefined ? Infinity : nextUsual(usual, ended - submitted, late));
    return result;
  }
}

/** @param late how long the promise took after a sleep */
function nextUsual(usual: number, elapsed: number, late: number): number {
  // Whoever slept too long does not know by how much.
  if (late < Math.max(readyWithin.milliseconds, readyWithin.share * usual)) return change.down * usual;
  // A job that was slow because the machine was busy must not make the next one sleep too long.
  return Math.min(elapsed, change.up * usual);
}
