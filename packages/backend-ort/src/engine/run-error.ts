import { BackendError } from '@kora-bench/core';

/** What a run that onnxruntime gave up ends with. */
export function runError(reason: string, cause?: unknown): BackendError {
  return new BackendError('onnxruntime failed to run the program.', {
    where: 'onnxruntime',
    received: reason,
    fix: 'If memory ran out, use a smaller batch; otherwise please report it.',
    ...(cause === undefined ? {} : { cause }),
  });
}
