import { linearTargets } from '@kora-bench/core/peft';
import { z } from 'zod';

export const optionsSchema = z.strictObject({
  /** b, the size of the rotated blocks of a layer's input: 2 … 1024; see {@link blockSizeOf}. */
  blockSize: z.int().min(2).max(1024).default(32),
  /** Terms of the Neumann series that stands for the Cayley transform's inverse: 4 … 32. */
  neumannTerms: z.int().min(4).max(32).default(5),
  /** Layers of every block that are rotated; `all-linear` is qkv, proj, fc1 and fc2. */
  targets: linearTargets.default('all-linear'),
});

/** Options of `oft`; unknown ones are rejected. */
export type OftOptions = z.infer<typeof optionsSchema>;

/** The name of a layer's angles `[in/b, b·(b − 1)/2]`, as peft ends it. */
export const angles = 'oft_R.weight';

/**
 * The size of a layer's blocks: the divisor of its input's width that is nearest to the option `blockSize`, the lower
 * of two; the whole width where that is smaller. As in peft.
 */
export function blockSizeOf(inFeatures: number, blockSize: number): number {
  if (blockSize >= inFeatures) return inFeatures;
  const divides = (size: number) => inFeatures % size === 0;
  let distance = 0;
  while (!divides(blockSize - distance) && !divides(blockSize + distance)) distance++;
  return divides(blockSize - distance) ? blockSize - distance : blockSize + distance;
}
