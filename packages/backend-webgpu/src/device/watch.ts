import { BackendError } from '@kora-bench/core';

/** Turns what a device reports beside its calls (errors, its loss) into failures of the work at hand. */
export class Watch {
  #failure: BackendError | undefined;
  readonly #lost: Promise<never>;
  #expected = false;

  constructor(device: GPUDevice) {
    device.addEventListener('uncapturederror', (event) => {
      this.#failure ??= failure('The GPU refused a command.', event.error.message);
    });
    this.#lost = device.lost.then(({ message }) => {
      this.#failure ??= failure('The GPU device was lost.', message);
      throw this.#failure;
    });
    this.#lost.catch(() => undefined);
  }

  /** What `work` gives, unless the device reports an error first. @throws BackendError */
  async guard<T>(work: Promise<T>): Promise<T> {
    const result = await Promise.race([work, this.#lost]);
    this.check();
    return result;
  }

  /** @throws BackendError when the device reported an error */
  check(): void {
    if (this.#failure !== undefined && !this.#expected) throw this.#failure;
  }

  /** From now on, the loss of the device is no failure. */
  release(): void {
    this.#expected = true;
  }
}

function failure(message: string, received: string): BackendError {
  return new BackendError(message, {
    where: 'webgpu',
    received,
    fix: 'If memory ran out, use a smaller batch; if the driver hung, update it.',
  });
}
