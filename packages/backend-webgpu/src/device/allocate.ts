import { outOfMemory, refused } from './device-errors.js';
import type { Watch } from './watch.js';

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
