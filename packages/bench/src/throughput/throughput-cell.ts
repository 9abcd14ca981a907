import { z } from 'zod';
import { programMemorySchema } from '../records/record-schema.js';

/** Speed of one method's training step on one backend. */
export const throughputCellSchema = z.strictObject({
  backend: z.string(),
  device: z.string(),
  method: z.string(),
  model: z.string(),
  batch: z.int().min(1),
  imagesPerSecond: z
    .number()
    .min(0)
    .describe('Of whole training steps, from images to updated parameters; median.'),
  gflopsPerSecond: z
    .number()
    .min(0)
    .describe('The program’s own FLOPs after pruning, over the median step time.'),
  peakGflopsPerSecond: z
    .number()
    .positive()
    .describe('The best matrix product of this backend in the same process.'),
  shareOfPeak: z.number().min(0),
  peakMemoryBytes: z.int().min(0).describe('Largest resident set of the process that measured this cell.'),
  deviceMemory: programMemorySchema
    .optional()
    .describe('What the step takes on the device; absent where the backend does not tell.'),
});
export type ThroughputCell = z.infer<typeof throughputCellSchema>;
