import { BackendError, firstLine } from '@kora-bench/core/errors';

/** How engines say that there is no memory left. WebAssembly is aborted when its C++ finds none. */
const memory =
  /out of memory|\bOOM\b|bad_alloc|allocation failed|array length|exceeds the max buffer size|^Aborted\(/i;

/** What a failure inside the engine is for the user: out of memory, or a refusal. */
export function failure(device: string, what: string, cause: unknown): BackendError {
  if (cause instanceof BackendError) return cause;
  const reason = reasonOf(cause);
  if (memory.test(reason)) return outOfMemory(device, what, reason, cause);
  return new BackendError('TensorFlow.js failed to run the program.', {
    where: `tfjs:${device}, ${what}`,
    received: reason,
    fix: 'This is a fault of the backend or of the engine: please report it with the program. Other backends can run it.',
    cause,
  });
}

/** The first line of what the engine says; of TensorFlow's two, the one that says more than a number. */
function reasonOf(cause: unknown): string {
  const said = cause instanceof Error ? /^Message: (.*)/m.exec(cause.message)?.[1] : undefined;
  return said ?? firstLine(cause);
}

/** The engine has no memory left. */
export function outOfMemory(device: string, what: string, reason: string, cause?: unknown): BackendError {
  return new BackendError('TensorFlow.js has no memory left.', {
    where: `tfjs:${device}, ${what}`,
    received: reason,
    fix: 'Use a smaller batch or model, or another device: tfjs:wasm has 2 GiB, whatever the machine has.',
    ...(cause === undefined ? {} : { cause }),
  });
}
