import type { ProgramMemory } from '@kora-bench/core';
import { z } from 'zod';

const bytes = z.int().min(0);

/** What a compiled program takes of the device's memory, as backends tell it that plan it themselves. */
export const programMemorySchema: z.ZodType<ProgramMemory> = z.strictObject({
  plannedBytes: bytes.describe('Buffers of feeds and computed values.'),
  lowerBoundBytes: bytes.describe('What of these is alive at once at the worst moment.'),
  weightBytes: bytes.describe('Frozen weights and constants.'),
  stateBytes: bytes.describe('Parameters and moments of the optimiser, with room for their next values.'),
  parts: z
    .int()
    .min(1)
    .describe('Parts of the batch that are worked on one after the other so that it fits.'),
});
