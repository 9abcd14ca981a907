import { BackendError, firstLine } from '@kora-bench/core/errors';

/** A program that needs more memory than there is; with a smaller batch, or a part of it, it may fit. */
export class MemoryError extends BackendError {}

/*
 * What a device reports, as errors of the suite. Dawn's messages say in their second line which call it was,
 * and end with lines of its own source.
 */

/** The device has no memory left. */
export function outOfMemory({ message }: GPUError): MemoryError {
  const call = /While calling [^\n]*/.exec(message)?.[0];
  return new MemoryError('The GPU has no memory left.', {
    where: 'webgpu',
    received: [firstLine(message), call].filter(Boolean).join(' '),
    fix: 'Use a smaller batch or model, or close other programs that use the GPU.',
  });
}

/** The device or its driver refused a command. */
export function refused({ message }: { readonly message: string }): BackendError {
  return deviceError(
    'The GPU refused a command.',
    firstLine(message),
    'Update the driver; if it repeats, this is a fault of the backend, please report it. Other backends can run the program.',
  );
}

/** The device is gone. */
export function lost({ message }: GPUDeviceLostInfo): BackendError {
  return deviceError(
    'The GPU device was lost.',
    firstLine(message),
    'The driver was reset or the GPU taken away. Run again; if it repeats, use a smaller batch, update the driver or choose another backend.',
  );
}

/**
 * The device does not answer.
 * @param seconds how long it was waited for
 */
export function hung(seconds: number): BackendError {
  return new BackendError('The GPU did not answer.', {
    where: 'webgpu',
    expected: `the end of a run within ${seconds} s`,
    received: 'nothing',
    fix: 'If the GPU is only slow, raise the option timeoutSeconds or use a smaller batch; if its driver hangs, restart the machine, update the driver or choose another backend.',
  });
}

function deviceError(message: string, received: string, fix: string): BackendError {
  return new BackendError(message, { where: 'webgpu', received, fix });
}
