import { z } from 'zod';
import { featureNames } from './device/features.js';

/** Options of the WebGPU backend. */
export const webgpuOptions = z.strictObject({
  /** Which GPU to prefer where there are several. */
  powerPreference: z.enum(['low-power', 'high-performance']).optional(),
  /**
   * How the lanes of a kernel share what they load: through the memory of a workgroup, the default on GPUs,
   * or within subgroups, which software drivers are faster with.
   */
  kernels: z.enum(['workgroup', 'subgroup']).optional(),
  /**
   * How frozen weights and the values of the forward pass are kept: f16 halves their memory and lets products
   * use matrix units. Sums, gradients and all that is trained stay in f32, and everything does on a GPU without
   * 16-bit floats; records tell which it was.
   */
  precision: z.enum(['f32', 'f16']).default('f32'),
  /**
   * Whether the tiles of matrix products are chosen by running some, once per device and shape: the default
   * on GPUs. A file in the cache folder (`KORA_CACHE_DIR`) keeps what was found.
   */
  tune: z.boolean().optional(),
  /**
   * How much of the device's memory one program may take with its states, in bytes; by default as much as the
   * device gives. A batch that does not fit is worked on in parts.
   */
  memoryLimitBytes: z.int().positive().optional(),
  /** Features of the GPU that are neither used nor checked, even where it has them. */
  disabledFeatures: z.array(z.enum(featureNames)).default([]),
  /**
   * How long one run of a program may take, in seconds, before the driver counts as hung. A program's first
   * run gets ten times as long: many drivers compile kernels then.
   */
  timeoutSeconds: z.number().positive().default(300),
});

/** Options as they are after parsing. */
export type WebgpuOptions = z.infer<typeof webgpuOptions>;
