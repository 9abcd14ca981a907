import { z } from 'zod';

/** Options of `adapter-fusion`; unknown ones are rejected. */
export const optionsSchema = z.strictObject({
  /** Number of task adapters, each trained on its equal part of the classes: 2 … 16. */
  tasks: z.int().min(2).max(16).default(2),
  /** Hidden width of every adapter: 1 … 4096. */
  bottleneck: z.int().min(1).max(4096).default(16),
  /**
   * `full`: query, key and value are D×D, as in the paper. A number w (1 … 4096): query and key are w×D,
   * and the value is the identity plus a correction of rank w.
   */
  fusionWidth: z.union([z.literal('full'), z.int().min(1).max(4096)]).default(16),
  /**
   * Share of the run’s epochs that each adapter trains for on its part of the classes, in (0, 1]. The fusion has all
   * epochs on all classes.
   */
  adapterShare: z.number().gt(0).max(1).default(1),
});

export type AdapterFusionOptions = z.infer<typeof optionsSchema>;
