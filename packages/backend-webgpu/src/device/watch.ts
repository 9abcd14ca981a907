import type { BackendError } from '@kora-bench/core/errors';
import { firstLine, KoraError } from '@kora-bench/core/errors';
import { hung, lost, outOfMemory, refused } from './errors.js';
import type { Waiter } from './waiter.js';

/** How many times as long the first job of its identity may take: drivers compile kernels then. */
const firstPatience = 10;
/** How long the report of why something failed may come after the failure, in milliseconds. */
const reportDelay = 100;

/** How long is waited, and in which way. */
export interface WatchSettings {
  readonly waiter: Waiter;
  /** How long a job may take before the driver counts as hung. */
  readonly timeoutSeconds: number;
}

/**
 * Waits for the GPU's work, and turns what a device reports beside its calls (errors, its loss) or does not
 * report at all (a driver that hangs) into failures of the work at hand. After one of these the device is not
 * used again.
 */
export class Watch {
  readonly #device: GPUDevice;
  readonly #settings: WatchSettings;
  readonly #lost: Promise<never>;
  readonly #seen = new WeakSet<object>();
  #failure: BackendError | undefined;
  #released = false;
  #hung = false;

  constructor(device: GPUDevice, settings: WatchSettings) {
    this.#device = device;
    this.#settings = settings;
    device.addEventListener('uncapturederror', (event) => {
      // The next one who waits gets the error; by default it would also be printed.
      event.preventDefault();
      const { error } = event;
      this.#failure ??= error instanceof GPUOutOfMemoryError ? outOfMemory(error) : refused(error);
    });
    this.#lost = device.lost.then((info) => {
      this.#failure ??= lost(info);
      throw this.#failure;
    });
    this.#lost.catch(() => undefined);
  }

  /** Whether the driver computes on the cores that JavaScript runs on. */
  get sharesCores(): boolean {
    return this.#settings.waiter.sleeps;
  }

  /**
   * Waits for submitted work.
   * @param job what is waited for, e.g. an executable; the same one takes about as long each time
   * @param start makes the promise of its end
   * @throws BackendError when the device reports an error, is lost, or does not answer in time
   */
  async finish<T>(job: object, start: () => Promise<T>): Promise<T> {
    this.check();
    const { waiter, timeoutSeconds } = this.#settings;
    const seconds = timeoutSeconds * (this.#seen.has(job) ? 1 : firstPatience);
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        this.#hung = true;
        this.#failure ??= hung(seconds);
        reject(this.#failure);
      }, seconds * 1000);
    });
    const work = waiter.wait(job, start);
    try {
      const result = await Promise.race([work, this.#lost, late]);
      this.check();
      this.#seen.add(job);
      return result;
    } catch (cause) {
      // It may still fail when nobody listens any more.
      work.catch(() => undefined);
      throw await this.#explain(cause);
    } finally {
      clearTimeout(timer);
    }
  }

  /** @throws BackendError when the device reported an error */
  check(): void {
    if (this.#failure !== undefined && !this.#released) throw this.#failure;
  }

  /** Gives the device up; its loss is no failure from now on. */
  release(): void {
    this.#released = true;
    // Destroying a device waits for its work, which on a hung one never ends.
    if (!this.#hung) this.#device.destroy();
  }

  /** Why work failed, as far as the device tells. */
  async #explain(cause: unknown): Promise<unknown> {
    if (cause instanceof KoraError) return cause;
    // Work that fails because the device is lost can end before the loss is reported.
    const delay = new Promise((resolve) => setTimeout(resolve, reportDelay));
    await Promise.race([this.#lost, delay]).catch(() => undefined);
    this.#failure ??= refused({ message: firstLine(cause) });
    return this.#failure;
  }
}

/**
 * Makes buffers and waits until the device has their memory. Unlike an error that a run meets, one met here
 * leaves the device usable: something smaller can be tried.
 * @param make makes them, and may start to fill them, without waiting for anything
 * @param release lets go of what `make` made
 * @throws BackendError when the device has no memory left
 */
export async function allocate<T>(
  device: GPUDevice,
  watch: Watch,
  make: () => T,
  release: (made: T) => unknown,
): Promise<T> {
  watch.check();
  // Filling a buffer that got no memory is an error of its own.
  device.pushErrorScope('validation');
  device.pushErrorScope('out-of-memory');
  let made: T | undefined;
  let errors: Promise<[memory: GPUError | null, other: GPUError | null]>;
  try {
    made = make();
  } finally {
    errors = Promise.all([device.popErrorScope(), device.popErrorScope()]);
    errors.catch(() => undefined);
  }
  const [memory, other] = await watch.finish(errors, () => errors);
  if (memory === null && other === null) return made;
  release(made);
  throw memory === null ? refused(other!) : outOfMemory(memory);
}
