import { linearTargets } from '@kora-bench/core/peft';
import { z } from 'zod';

export const optionsSchema = z.strictObject({
  /** r, the rank of the shared matrices: 1 … 4096; it may be larger than a layer. */
  rank: z.int().min(1).max(4096).default(256),
  /** What every element of d starts as. */
  dInitial: z.number().default(0.1),
  /** Layers of every block that get an adapter; `all-linear` is qkv, proj, fc1 and fc2. */
  targets: linearTargets.default(['attn.q', 'attn.v']),
});

/** Options of `vera`; unknown ones are rejected. */
export type VeraOptions = z.infer<typeof optionsSchema>;

/** The matrices that all layers share, `[r, in]` and `[out, r]` of the largest layer. */
export const [sharedA, sharedB] = ['vera_A', 'vera_B'] as const;
/** The names of a layer's own vectors, `[out]` and `[r]`, as peft ends them. */
export const [lambdaB, lambdaD] = ['vera_lambda_b', 'vera_lambda_d'] as const;
