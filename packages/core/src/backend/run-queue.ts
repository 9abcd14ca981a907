/** Runs asynchronous jobs one after the other, in the order in which they were given. */
export class RunQueue {
  #last: Promise<unknown> = Promise.resolve();

  /** @returns what `job` returns; a job that fails does not stop those behind it */
  run<T>(job: () => Promise<T> | T): Promise<T> {
    const result = this.#last.then(job, job);
    this.#last = result.catch(() => undefined);
    return result;
  }
}
