/** Jobs that usually take less than this are not slept through: timers are too coarse. Milliseconds. */
const shortest = 5;
/** A promise that resolves within this time, or this share of the sleep, was ready before it was made. */
const readyWithin = { milliseconds: 1, share: 0.02 };
/** How many times a job is measured before the first sleep, after the time that also compiled its kernels. */
const measurements = 2;
/** The time of a job as a share of that of a watched one, on a machine of a few cores. */
const watchedShare = 0.6;
/** By what share the next sleep is shorter when this one was too long; doubled each time in a row. */
const firstCut = 0.05;
const largestCut = 0.2;
/** What share of the time that was left after a sleep the next one is longer, and by how much at most. */
const growth = { share: 0.7, most: 0.2 };

interface Known {
  /** How often the job was waited for. */
  readonly times: number;
  /** How long to sleep, in milliseconds; Infinity before the job was measured. */
  readonly sleep: number;
  /** By what share to shorten the sleep if it was too long. */
  readonly cut: number;
}

/**
 * Waits for jobs of the GPU. While one of Dawn's promises is pending in Node, the event loop turns without a
 * pause, which takes a whole core away from a driver that computes on the CPU: a job can take half as long
 * again. So the promise is made when the job should be done. That can only be found by trying, because the
 * job itself is slower when it is watched: whoever slept too long sleeps a little less the next time.
 */
export class Waiter {
  /** Whether jobs are slept through at all; a GPU needs no core, and its jobs are short. */
  readonly sleeps: boolean;
  readonly #known = new WeakMap<object, Known>();

  constructor(sleeps: boolean) {
    this.sleeps = sleeps;
  }

  /**
   * @param job what is waited for; jobs of one identity take about the same time
   * @param start makes the promise of its end, after the job was submitted
   */
  async wait<T>(job: object, start: () => Promise<T>): Promise<T> {
    if (!this.sleeps) return start();
    const submitted = performance.now();
    const known = this.#known.get(job) ?? { times: 0, sleep: Infinity, cut: firstCut };
    const sleeps = known.times > measurements && known.sleep >= shortest;
    if (sleeps) await new Promise((resolve) => setTimeout(resolve, known.sleep));
    const asked = performance.now();
    const result = await start();
    const ended = performance.now();
    this.#known.set(
      job,
      sleeps ? afterSleep(known, ended - asked) : afterMeasurement(known, ended - submitted),
    );
    return result;
  }
}

function afterMeasurement({ times, sleep }: Known, elapsed: number): Known {
  const unwatched = times === 0 ? Infinity : watchedShare * elapsed;
  return { times: times + 1, sleep: Math.min(sleep, unwatched), cut: firstCut };
}

/** @param left how long the job took after the sleep */
function afterSleep({ times, sleep, cut }: Known, left: number): Known {
  const late = left < Math.max(readyWithin.milliseconds, readyWithin.share * sleep);
  if (late) return { times: times + 1, sleep: (1 - cut) * sleep, cut: Math.min(2 * cut, largestCut) };
  // A job that was slow because the machine was busy must not make the next one sleep too long.
  const more = Math.min(growth.share * left, growth.most * sleep);
  return { times: times + 1, sleep: sleep + more, cut: firstCut };
}
