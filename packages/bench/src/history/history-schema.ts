import { z } from 'zod';

/*
 * A history is a folder that git can hold: `history/<testbed>/<series>.jsonl`, one line for each thing that happened,
 * in any order, and nothing is ever changed. A series is one configuration on one machine, with all its seeds.
 */

/** How a measure is shown and judged. */
export const measureDefinitionSchema = z.strictObject({
  kind: z
    .enum(['quality', 'count', 'sample'])
    .describe('quality: over examples; count: the same in every run; sample: a measurement of this machine.'),
  title: z.string(),
  phase: z.string().nullable(),
  unit: z.string(),
  direction: z.enum(['higher', 'lower']),
  format: z.strictObject({ scale: z.number(), digits: z.int().min(0) }),
  gating: z.boolean(),
  isShare: z.boolean().describe('Whether it is a share of examples.'),
  range: z
    .tuple([z.number().nullable(), z.number().nullable()])
    .optional()
    .describe(
      'The least and the greatest value there can be, null without bound; absent where nothing is known.',
    ),
});
export type MeasureDefinition = z.infer<typeof measureDefinitionSchema>;

const version = { historyVersion: z.literal(1) };

export const seriesLineSchema = z.strictObject({
  ...version,
  kind: z.literal('series'),
  name: z.string(),
  label: z.string(),
  model: z.string(),
  backend: z.string(),
  device: z.string(),
  configuration: z
    .string()
    .describe('SHA-256 of the settings that decide its numbers, without seed and code.'),
  settings: z.record(z.string(), z.string()).nullable().describe('These settings by path, as JSON.'),
  testbed: z.strictObject({ id: z.string(), description: z.string() }),
  measures: z.record(z.string(), measureDefinitionSchema).describe('By key; later lines add to these.'),
});
export type SeriesLine = z.infer<typeof seriesLineSchema>;

const valueSchema = z.strictObject({
  value: z.number(),
  interval: z.tuple([z.number(), z.number()]).optional().describe('95 %'),
  examples: z.int().min(0).optional(),
});

export const entryLineSchema = z.strictObject({
  ...version,
  kind: z.literal('entry'),
  id: z.string().describe('Digest of what it says: the same result is kept once.'),
  date: z.iso.datetime().describe('When it was measured.'),
  commit: z.string().nullable(),
  dirty: z.boolean().nullable(),
  seed: z.int().min(0),
  run: z.string().describe('Name of the run folder, or what it was imported from.'),
  versions: z.record(z.string(), z.string()).describe('Of Node, the engine, the suite and plugins.'),
  data: z
    .record(z.string(), z.record(z.string(), z.string()))
    .describe('Beginnings of the fingerprints of each phase’s data.'),
  values: z.record(z.string(), valueSchema).describe('By measure.'),
});
export type EntryLine = z.infer<typeof entryLineSchema>;

export const markLineSchema = z.strictObject({
  ...version,
  kind: z.literal('mark'),
  id: z.string(),
  date: z.iso.datetime(),
  commit: z.string().describe('From which on a change is accepted.'),
  measure: z.string().nullable().describe('Null for all.'),
  text: z.string(),
  by: z.string(),
});
export type MarkLine = z.infer<typeof markLineSchema>;

export const historyLineSchema = z.discriminatedUnion('kind', [
  seriesLineSchema,
  entryLineSchema,
  markLineSchema,
]);
export type HistoryLine = z.infer<typeof historyLineSchema>;
