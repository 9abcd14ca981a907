import { BackendError, firstLine } from '@kora-bench/core/errors';

/** How engines say that there is no memory left. */
const memory =
  /out of memory|OOM|allocat|enlarge memory|bad_alloc|memory access out of bounds|Invalid typed array length/i;

/** What a failure inside the engine is for the user: out of memory, or a refusal. */
export function failure(device: string, what: string, cause: unknown): BackendError {
  if (cause instanceof BackendError) return cause;
  const reason = firstLine(cause);
  if (memory.test(reason)) return outOfMemory(device, what, reason, cause);
  return new BackendError('TensorFlow.js failed to run the program.', {
    where: `tfjs:${device}, ${what}`,
    received: reason,
    fix: 'This is a fault of the backend or of the engine: please report it with the program. Other backends can run it.',
    cause,
  });
}

/** The engine has no memory left. */
export function outOfMemory(device: string, what: string, reason: string, cause?: unknown): BackendError {
  return new BackendError('TensorFlow.js has no memory left.', {
    where: `tfjs:${device}, ${what}`,
    received: reason,
    fix: 'Use a smaller batch or model, or another device; WebAssembly has at most 4 GiB, whatever the machine has.',
    ...(cause === undefined ? {} : { cause }),
  });
}
