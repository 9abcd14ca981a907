import type { HostTensor } from '@kora-bench/core';

/** What one kernel of a run took and did. */
export interface KernelTime {
  /** What the kernel computes and where in the model; kernels of different blocks share it. */
  readonly label: string;
  readonly nanoseconds: number;
  readonly flops: number;
  /** Read and written at least. */
  readonly bytes: number;
}

/** A run whose kernels were timed, in their order. */
export interface Profile {
  readonly fetched: Record<string, HostTensor>;
  readonly kernels: readonly KernelTime[];
}
