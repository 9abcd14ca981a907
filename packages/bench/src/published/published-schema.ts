import { z } from 'zod';

/*
 * Results that a paper or a README prints, as data of a suite: the run’s own stand beside them in its reports. Nothing
 * in code knows a published number.
 */

const count = z.int().min(1);

const scoreMeasureSchema = z.strictObject({
  phase: z.string().min(1).describe('A phase of the run that is scored.'),
  metric: z.string().min(1).describe('Its key in records, e.g. `top1`.'),
  evaluation: z
    .string()
    .min(1)
    .optional()
    .describe('E.g. `own labels`; the first one of the phase by default.'),
});

const similarityMeasureSchema = z.strictObject({
  cka: z
    .tuple([z.int().min(0), z.int().min(0)])
    .describe('Two blocks, counted from 0; the run needs the analysis `cka`.'),
  estimate: z.enum(['biased', 'debiased']).describe('Most papers print the biased one.'),
});

const measureSchema = z
  .union([z.literal('share'), scoreMeasureSchema, similarityMeasureSchema])
  .describe(
    'What of the run is put beside it: a metric of a phase, the CKA of two blocks, or `share`, the tuned %.',
  );
export type PublishedMeasure = z.infer<typeof measureSchema>;

const columnSchema = z.strictObject({
  title: z.string().min(1).describe('E.g. `accuracy %`.'),
  measure: measureSchema,
  digits: z.int().min(0).max(10).describe('Decimals that are printed.'),
  honest: z
    .array(z.strictObject({ title: z.string().min(1), measure: measureSchema }))
    .default([])
    .describe('Further measures of the run, shown beside it: what a protocol without the defects says.'),
  explainedBy: z
    .array(z.string().regex(/^[A-Z][A-Z0-9_]*$/, { error: 'the code of a finding, e.g. SINGLE_CLASS_F1' }))
    .default([])
    .describe(
      'Codes of findings that explain the numbers; their messages stand below where the run has them.',
    ),
  note: z.string().min(1).optional().describe('What a reader must know of the published numbers.'),
  incomparable: z
    .string()
    .min(1)
    .optional()
    .describe('Why published and measured cannot be subtracted, e.g. unknown units; no difference is shown.'),
});
export type PublishedColumn = z.infer<typeof columnSchema>;

const rowSchema = z.strictObject({
  name: z.string().min(1).describe('As the publication calls it.'),
  method: z.string().min(1).describe('The label of a method of the run.'),
  values: z
    .array(z.number().nullable())
    .describe(
      'One for each column, as printed there and as tables here show the metric (92.48 for %); null for none.',
    ),
});

const settingSchema = z.strictObject({
  model: z.string().min(1),
  phases: z
    .record(
      z.string(),
      z.strictObject({
        data: z.string().min(1).describe('The name of the data set.'),
        trainExamples: count.optional(),
        testExamples: count.optional(),
        epochs: z.number().positive().optional(),
        learningRate: z.number().positive().optional(),
      }),
    )
    .describe('By the name of the phase.'),
  similarityExamples: count.optional().describe('Images that CKA is computed over.'),
});
export type PublishedSetting = z.infer<typeof settingSchema>;

export const publishedTableSchema = z.strictObject({
  title: z.string().min(1),
  source: z.string().min(1).describe('Where it is published.'),
  note: z.string().min(1).optional(),
  setting: settingSchema.describe(
    'What the numbers were measured on. A run on something else says so and shows no differences.',
  ),
  columns: z.array(columnSchema).min(1),
  rows: z.array(rowSchema).min(1),
});
export type PublishedResults = z.infer<typeof publishedTableSchema>;
