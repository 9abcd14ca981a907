import { BackendError } from '@kora-bench/core';

/** A program that needs more memory than there is; with a smaller batch, or a part of it, it may fit. */
export class MemoryError extends BackendError {}
