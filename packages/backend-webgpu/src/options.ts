import { z } from 'zod';

/** Options of the WebGPU backend. */
export const webgpuOptions = z.strictObject({
  /** Which GPU to prefer where there are several. */
  powerPreference: z.enum(['low-power', 'high-performance']).optional(),
  /**
   * How the lanes of a kernel share what they load: through the memory of a workgroup, the default on GPUs,
   * or within subgroups, which software drivers are faster with.
   */
  kernels: z.enum(['workgroup', 'subgroup']).optional(),
});

export type WebgpuOptions = z.infer<typeof webgpuOptions>;
