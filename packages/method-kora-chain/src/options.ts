import { z } from 'zod';

/** Options of `kora-chain`; unknown ones are rejected. */
export const optionsSchema = z.strictObject({
  /** r, the rank of every adapter: 1 … 1024. */
  rank: z.int().min(1).max(1024).default(8),
  /** α, the factor on the composed delta of the class token: above 0. */
  alpha: z.number().positive().default(1),
  /** d_comp, the width of the chain: 1 … 4096. */
  dComp: z.int().min(1).max(4096).default(4),
  /**
   * Whether the last projection F trains. As published it does not: it stays at its random start and is
   * left out of the count.
   */
  trainFinalProjection: z.boolean().default(true),
});

export type KoraChainOptions = z.infer<typeof optionsSchema>;
