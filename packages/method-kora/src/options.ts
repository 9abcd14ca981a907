import { z } from 'zod';

/** Options of `kora`; unknown ones are rejected. */
export const optionsSchema = z.strictObject({
  /** r, the rank of the q, k and v adapters: 1 … 1024. */
  rank: z.int().min(1).max(1024).default(8),
  /** α of the factor α/r on the adapters' deltas: above 0. */
  alpha: z.number().positive().default(8),
  /** d_comp, the hidden width of the CompositionBlock: 1 … 4096. */
  dComp: z.int().min(1).max(4096).default(8),
  /**
   * `live`: B starts as an nn.Linear's weight does, so the composed delta differs from 0 and the gate
   * receives a gradient. `dead`: B starts at zero, as in LoRA; with the gate at zero too, no gradient
   * ever differs from 0.
   */
  init: z.enum(['live', 'dead']).default('live'),
});

export type KoraOptions = z.infer<typeof optionsSchema>;
