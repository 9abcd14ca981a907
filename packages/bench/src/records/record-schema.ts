import { z } from 'zod';
import { protocolNames, runConfigSchema } from '../config/run-config.js';
import { programMemorySchema } from './program-memory-schema.js';

/*
 * One record per cell: one method with one configuration on one backend, one backbone and one seed,
 * trained on the source task, then judged on every task of the run. Records are written whole, never
 * edited, and hold all that is needed to read them alone.
 */

const share = z.number().min(0).max(1);
const count = z.int().min(0);

export const findingSchema = z.strictObject({
  /** Stable, e.g. `DEAD_START`. */
  code: z.string(),
  severity: z.enum(['info', 'warning', 'error']),
  /** The task or stage it was found in, e.g. `transfer/as-published`. */
  where: z.string(),
  message: z.string(),
  /** The numbers or names that show it. */
  evidence: z.record(z.string(), z.unknown()),
});
export type Finding = z.infer<typeof findingSchema>;

export const classificationResultSchema = z.strictObject({
  examples: count,
  classes: count.describe('Outputs of the head.'),
  distinctLabels: count,
  distinctPredictions: count,
  top1: share,
  top1Interval: z.tuple([share, share]).describe('95 % Wilson interval over the examples.'),
  top5: share.nullable().describe('Null for heads of 5 classes or fewer.'),
  macroF1: share,
  weightedF1: share,
  expectedCalibrationError: share,
  loss: z.number(),
});
export type ClassificationResult = z.infer<typeof classificationResultSchema>;

export const depthResultSchema = z.strictObject({
  examples: count,
  rmse: z.number().min(0).describe('Metres.'),
  absRel: z.number().min(0),
  delta1: share.describe('Share of pixels with max(p/t, t/p) < 1.25.'),
  scaleInvariantLog: z.number().min(0),
});
export type DepthResult = z.infer<typeof depthResultSchema>;

export const trainingResultSchema = z.strictObject({
  stages: z.array(
    z.strictObject({
      name: z.string(),
      trainableParameters: count,
      epochs: z.number(),
      steps: count,
      /** One point per few steps: the loss of that step's batch. */
      losses: z.array(z.strictObject({ step: count, loss: z.number(), learningRate: z.number() })),
    }),
  ),
  examples: count.describe('Size of the training set.'),
  seconds: z.number().min(0),
  imagesPerSecond: z.number().min(0),
  flopsPerStep: z.number().min(0).describe('Of the program that ran each step, after pruning.'),
  cache: z
    .strictObject({
      prefixFlopsPerImage: z.number(),
      bytesPerImage: z.number(),
      computedImages: count,
      reusedImages: count,
      computeSeconds: z
        .number()
        .min(0)
        .optional()
        .describe(
          'Wall-clock time of the one pass over the images that computed the values: reading, decoding and ' +
            'the prefix itself. Absent where none was needed.',
        ),
    })
    .nullable()
    .describe('The frozen prefix kept per image; null when it was not worth keeping.'),
  deviceMemory: programMemorySchema
    .optional()
    .describe('Of the program that ran each step; absent where the backend does not tell.'),
});
export type TrainingResult = z.infer<typeof trainingResultSchema>;

const dataRefSchema = z.strictObject({
  dataset: z.string(),
  trainFingerprint: z.string(),
  valFingerprint: z.string(),
  notes: z.array(z.string()),
});

export const transferResultSchema = z.strictObject({
  protocol: z.enum(protocolNames),
  data: dataRefSchema,
  training: trainingResultSchema,
  /** Judged on the true labels: the number to read. */
  trueLabels: classificationResultSchema,
  /** The published kind of number: judged on the labels that the protocol itself makes. */
  protocolLabels: classificationResultSchema.nullable(),
});
export type TransferResult = z.infer<typeof transferResultSchema>;

export const ckaSchema = z.strictObject({
  layers: z.array(z.string()),
  examples: count,
  biased: z.array(z.array(z.number().nullable())).describe('As published; biased upwards for few examples.'),
  debiased: z.array(z.array(z.number().nullable())),
});

export const environmentSchema = z.strictObject({
  node: z.string(),
  platform: z.string(),
  cpu: z.string(),
  cores: count,
  memoryBytes: count,
  backend: z.record(z.string(), z.string()),
  packages: z.record(z.string(), z.string()),
});

export const cellSchema = z.strictObject({
  /** File name of the record without its ending; unique in a run, stable across runs of one configuration. */
  id: z.string(),
  label: z.string(),
  method: z.string(),
  options: z.record(z.string(), z.unknown()).describe('Complete, with defaults filled in.'),
  learningRate: z.number(),
  backend: z.string(),
  device: z.string(),
  backendOptions: z.record(z.string(), z.unknown()),
  model: z.string(),
  seed: count,
});
export type Cell = z.infer<typeof cellSchema>;

const common = {
  schemaVersion: z.literal(1),
  cell: cellSchema,
  startedAt: z.iso.datetime(),
  finishedAt: z.iso.datetime(),
  config: runConfigSchema,
};

export const doneRecordSchema = z.strictObject({
  ...common,
  status: z.literal('done'),
  environment: environmentSchema,
  model: z.strictObject({
    fingerprint: z.string(),
    notes: z.array(z.string()),
    preprocessing: z.record(z.string(), z.unknown()),
    backboneParameters: count,
    trainableParameters: count,
    share,
  }),
  source: z.strictObject({
    data: dataRefSchema,
    training: trainingResultSchema,
    result: classificationResultSchema,
  }),
  cka: ckaSchema,
  transfer: z.array(transferResultSchema),
  depth: z
    .strictObject({ data: dataRefSchema, training: trainingResultSchema, result: depthResultSchema })
    .nullable(),
  mergeError: z
    .number()
    .nullable()
    .describe('Largest difference of logits after merging; null if it cannot be merged.'),
  peakMemoryBytes: count.describe('Largest resident set of the cell’s process.'),
  findings: z.array(findingSchema),
});

export const failedRecordSchema = z.strictObject({
  ...common,
  status: z.literal('failed'),
  error: z.strictObject({
    code: z.string(),
    message: z.string(),
    where: z.string().nullable(),
    expected: z.string().nullable(),
    received: z.string().nullable(),
    fix: z.string().nullable(),
  }),
});

export const recordSchema = z.discriminatedUnion('status', [doneRecordSchema, failedRecordSchema]);
export type CellRecord = z.infer<typeof recordSchema>;
export type DoneRecord = z.infer<typeof doneRecordSchema>;
export type FailedRecord = z.infer<typeof failedRecordSchema>;
