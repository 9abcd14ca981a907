import { z } from 'zod';
import { metricSchema } from '../records/phase-record-schema.js';
import { cellSchema, codeSchema } from '../records/record-schema.js';

/*
 * `compressibility.json`: how few bytes hold what the cells of a run trained, and what is lost. It holds no times, so that
 * the same run on the same machine gives the same file.
 */

const bytes = z.int().min(0);
const count = z.int().min(0);

const partsSchema = z.strictObject({ method: count, head: count, total: count });

const measuredSchema = {
  value: z.number().nullable().describe('Of the metric, with the values decoded from these bytes.'),
  residualBytes: z
    .number()
    .min(0)
    .nullable()
    .describe(
      'Sum of −log2 p(label) / 8 over the examples: the labels, given the predictions. Null for tasks without one class per example.',
    ),
};

const codedFormSchema = z.strictObject({
  name: z.string().describe('E.g. `4 bits`.'),
  bytes: partsSchema.describe(
    'Of the compressed update, all that a decoder needs; method and head by themselves.',
  ),
  bitsPerParameter: z.number().min(0).describe('8 · bytes.total / parameters.total.'),
  ...measuredSchema,
});
export type CodedForm = z.infer<typeof codedFormSchema>;

const chosenSchema = z
  .strictObject({ form: z.string(), bytes, bitsPerParameter: z.number().min(0), value: z.number() })
  .nullable();
export type ChosenForm = z.infer<typeof chosenSchema>;

const descriptionSchema = z
  .strictObject({
    form: z.string(),
    bytes: z.number().min(0).describe('update + residual.'),
    update: bytes,
    residual: z.number().min(0),
  })
  .nullable();

const measuredCellSchema = z.strictObject({
  cell: cellSchema,
  parameters: partsSchema.describe(
    'Numbers in the update: what trained, and constants that no seed gives back.',
  ),
  recorded: z
    .number()
    .nullable()
    .describe('The metric in the cell’s record; null where other examples are scored here.'),
  nothing: z.strictObject(measuredSchema).describe('Without any update: the start of training, 0 bytes.'),
  forms: z.array(codedFormSchema).min(1).describe('float32 first, then from fine to coarse.'),
  withinTolerance: chosenSchema.describe('The smallest form that is within the tolerance of float32.'),
  atEqualMetric: chosenSchema.describe('The smallest form that reaches `equal`.'),
  area: z.number().nullable().describe('Mean of what at most b bytes give, b log-uniform over `range`.'),
  description: descriptionSchema.describe('The form with the shortest description.'),
  paysAfter: z
    .strictObject({ form: z.string(), examples: z.number().min(0) })
    .nullable()
    .describe(
      'Examples from which update and labels take less than the labels alone, the fewest over the forms.',
    ),
});
export type MeasuredCell = z.infer<typeof measuredCellSchema>;

export const compressibilitySchema = z.strictObject({
  schemaVersion: z.literal(1),
  kind: z.literal('compressibility'),
  run: z.strictObject({ name: z.string(), suite: z.string(), createdAt: z.iso.datetime() }),
  code: codeSchema,
  machine: z.strictObject({
    node: z.string(),
    platform: z.string(),
    cpu: z.string(),
    cores: count,
    memoryBytes: count,
  }),
  codec: z.strictObject({ name: z.string(), quality: z.int(), version: z.string() }),
  phase: z.string().describe('Of a phase with several draws, the first one.'),
  evaluation: z.strictObject({
    name: z.string(),
    split: z.enum(['train', 'val', 'test']),
    examples: count,
    of: count.describe('Examples that the phase scored.'),
  }),
  metric: metricSchema,
  tolerance: z.strictObject({
    asked: z.number().min(0).describe('Points of a share, percent of any other metric.'),
    of: z.enum(['points', 'percent']),
  }),
  equal: z
    .number()
    .nullable()
    .describe(
      'What every cell reaches uncompressed, less the tolerance: the metric that bytes are compared at.',
    ),
  range: z
    .strictObject({ from: bytes, to: bytes })
    .nullable()
    .describe('Bytes of the smallest and of the largest form of any cell.'),
  noResidual: z
    .string()
    .nullable()
    .describe('Why there are no residual bytes and no description lengths; null where there are.'),
  cells: z.array(measuredCellSchema).min(1),
});
export type Compressibility = z.infer<typeof compressibilitySchema>;
