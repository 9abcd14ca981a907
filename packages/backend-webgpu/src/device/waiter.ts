/** The part of a job's usual time that is slept through. */
const sleptShare = 0.9;
/** Jobs that usually take less than this are not slept through: timers are too coarse. Milliseconds. */
const shortest = 5;
/** A promise that resolves within this time, or this share of the job's, was ready before it was made. */
const readyWithin = { milliseconds: 1.5, share: 0.02 };
/** By how much the usual time is lowered after sleeping too long, and raised at most by a slow job. */
const change = { down: 0.5, up: 1.2 };
/** How many times a job is measured before the first sleep, after the time that also compiled its kernels. */
const measurements = 2;

interface Known {
  /** How often the job was waited for. */
  readonly times: number;
  /** How long it takes, in milliseconds; Infinity before it was measured. */
  readonly usual: number;
}

/**
 * Waits for jobs of the GPU. While one of Dawn's promises is pending in Node, the event loop turns without a
 * pause, which takes a whole core away from a driver that computes on the CPU. So the promise is made late.
 */
export class Waiter {
  readonly #sleeps: boolean;
  readonly #known = new WeakMap<object, Known>();

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
    const known = this.#known.get(job) ?? { times: 0, usual: Infinity };
    const sleeps = known.times > measurements && known.usual >= shortest;
    if (sleeps) await new Promise((resolve) => setTimeout(resolve, sleptShare * known.usual));
    const asked = performance.now();
    const result = await start();
    const ended = performance.now();
    const late = sleeps ? ended - asked : Infinity;
    const usual = known.times === 0 ? Infinity : nextUsual(known.usual, ended - submitted, late);
    this.#known.set(job, { times: known.times + 1, usual });
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
