import { z } from 'zod';

/** Options of the WebGPU backend. */
export const webgpuOptions = z.strictObject({
  /** Which GPU to prefer where there are several. */
  powerPreference: z.enum(['low-power', 'high-performance']).optional(),
  /**
   * Whether matrix products go through the shared memory of workgroups; by default on GPUs, and not on
   * software drivers, which have none that is faster than the rest.
   */
  staging: z.boolean().optional(),
});

export type WebgpuOptions = z.infer<typeof webgpuOptions>;
