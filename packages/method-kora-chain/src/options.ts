import { z } from 'zod';

/** Options of `kora-chain`; unknown ones are rejected. */
export const optionsSchema = z
  .strictObject({
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
    /** `residual`: every link adds to what the chain carries, c_i = c_{i−1} + Φ_i(…). */
    links: z.enum(['plain', 'residual']).default('plain'),
    /** Whether Φ and Ψ end in an RMS norm (Zhang & Sennrich 2019, arXiv:1910.07467), with a scale that trains. */
    normalize: z.boolean().default(false),
    /** How Φ and Ψ start: as an nn.Linear, or as twice an orthogonal matrix. */
    start: z.enum(['linear', 'orthogonal']).default('linear'),
    /** `each`: every link has an F_i of its own to the class token, and their mean is added. */
    readOut: z.enum(['last', 'each']).default('last'),
  })
  .refine(({ normalize, dComp }) => !normalize || dComp > 1, {
    path: ['dComp'],
    error: '2 or more with normalize: of a single number the norm leaves the sign alone',
  })
  .refine(({ links, normalize, start }) => start === 'linear' || (links === 'plain' && !normalize), {
    path: ['start'],
    error:
      'linear with residual links or normalize: an orthogonal start keeps the gradient’s size in plain links alone',
  });

export type KoraChainOptions = z.infer<typeof optionsSchema>;
