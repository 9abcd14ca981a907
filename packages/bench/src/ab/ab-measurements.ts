import { z } from 'zod';
import { programMemorySchema } from '../records/phase-record-schema.js';

/*
 * What `ab` leaves: every single measurement. Written after each of them, so that whatever ends the command leaves what
 * was measured.
 */

const sideSchema = z.enum(['base', 'head']);
export type AbSide = z.infer<typeof sideSchema>;

export const abMeasurementSchema = z.strictObject({
  part: z
    .enum(['comparison', 'confirmation'])
    .describe('comparison: of everything; confirmation: again, of what seemed worse.'),
  round: z.int().min(0),
  side: sideSchema,
  order: z.int().min(0).max(1).describe('0 for the side that was measured first in this round.'),
  unit: z.string().describe('What was asked for, as flags.'),
  startedAt: z.iso.datetime(),
  method: z.string(),
  model: z.string(),
  backend: z.string(),
  device: z.string(),
  batch: z.int().min(1),
  imagesPerSecond: z.number().positive(),
  peakMemoryBytes: z.int().min(0),
  deviceMemory: programMemorySchema.optional(),
  dispatches: z.int().min(0).optional(),
});
export type AbMeasurement = z.infer<typeof abMeasurementSchema>;

export const abFailureSchema = z.strictObject({ side: sideSchema, unit: z.string(), message: z.string() });
export type AbFailure = z.infer<typeof abFailureSchema>;

const revisionSchema = z.strictObject({
  name: z.string(),
  commit: z.string().nullable(),
  dirty: z.boolean().describe('Whether there were changes that were not committed.'),
});

export const abFileSchema = z.strictObject({
  schemaVersion: z.literal(1),
  kind: z.literal('ab'),
  createdAt: z.iso.datetime(),
  base: revisionSchema,
  head: revisionSchema,
  machine: z.strictObject({
    node: z.string(),
    platform: z.string(),
    cpu: z.string(),
    cores: z.int().min(0),
    memoryBytes: z.int().min(0),
  }),
  measurements: z.array(abMeasurementSchema).describe('In the order in which they were made.'),
  failures: z.array(abFailureSchema),
});
export type AbFile = z.infer<typeof abFileSchema>;
