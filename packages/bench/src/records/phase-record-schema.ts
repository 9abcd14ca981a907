import type { ProgramMemory } from '@kora-bench/core/backend';
import { z } from 'zod';

/** What a phase of a cell left: how it trained, what was scored, and how each metric is defined and shown. */

const count = z.int().min(0);
const bytes = z.int().min(0);
const interval = z.tuple([z.number(), z.number()]);

export const findingSchema = z.strictObject({
  /** Stable, e.g. `DEAD_START`. */
  code: z.string(),
  severity: z.enum(['info', 'warning', 'error']),
  /** The phase or stage it was found in, e.g. `transfer/as-published`. */
  where: z.string(),
  message: z.string(),
  /** The numbers or names that show it. */
  evidence: z.record(z.string(), z.unknown()),
});
export type Finding = z.infer<typeof findingSchema>;

/** What a compiled program takes of the device's memory, as reported by backends that plan it themselves. */
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

/** How a metric is defined and shown; the same as core’s `Metric`. */
export const metricSchema = z.strictObject({
  key: z.string(),
  label: z.string(),
  unit: z.string(),
  direction: z.enum(['higher', 'lower']),
  format: z.strictObject({ scale: z.number(), digits: count }),
  range: z
    .tuple([z.number().nullable(), z.number().nullable()])
    .describe('Possible values; null where there is no limit.'),
  interval: z.enum(['wilson', 'none']),
  primary: z.boolean(),
  shown: z.enum(['table', 'report']),
  description: z.string(),
  scores: z
    .strictObject({
      score: z.string().describe('Column of the scores of every example.'),
      pooledAs: z.enum(['mean', 'root-mean', 'root-mean-square', 'related']),
      weight: z.string().optional().describe('Column that says what each example counts.'),
    })
    .optional()
    .describe('How the metric follows from the scores of every example; absent where it does not.'),
});
export type RecordedMetric = z.infer<typeof metricSchema>;

export const trainingResultSchema = z.strictObject({
  stages: z.array(
    z.strictObject({
      name: z.string(),
      trainableParameters: count,
      undecayedParameters: count
        .optional()
        .describe('Those without weight decay: as in timm, the backbone’s vectors, positions and tokens.'),
      epochs: z.number(),
      steps: count,
      /** One point per few steps: the loss of that step's batch. */
      losses: z.array(z.strictObject({ step: count, loss: z.number(), learningRate: z.number() })),
    }),
  ),
  examples: count.describe('Size of the training set.'),
  learningRate: z
    .number()
    .optional()
    .describe('The highest of the schedule; absent in records of before it was kept.'),
  seconds: z
    .number()
    .min(0)
    .describe(
      'Wall-clock time of everything: the features where they were computed, compilation, all steps.',
    ),
  stepSeconds: z
    .number()
    .min(0)
    .describe(
      'Wall-clock time of the steps alone, from the first to the last, without features and compilation.',
    ),
  imagesPerSecond: z
    .number()
    .min(0)
    .describe(
      'Of the steps: images that went through them / stepSeconds. Where features are kept, the steps work on ' +
        'these; what computing them cost is in `cache.pass`, and never part of this.',
    ),
  flopsPerStep: z.number().min(0).describe('Of the program that ran each step, after pruning.'),
  cache: z
    .strictObject({
      prefixFlopsPerImage: z.number(),
      bytesPerImage: z.number(),
      computedImages: count.describe('Images whose values this training computed.'),
      reusedImages: count.describe('Images whose values an earlier training computed.'),
      pass: z
        .strictObject({
          imagesPerSecond: z.number().min(0).describe('images / seconds.'),
          seconds: z
            .number()
            .min(0)
            .describe('Wall-clock time: reading, decoding and the prefix itself, without compilation.'),
          images: count.describe('Images that went through.'),
        })
        .describe(
          'The pass over the images that computed the values. Its cost is kept with them, so it is the same ' +
            'in every record that uses them: measured here where computedImages is not 0, earlier otherwise.',
        ),
    })
    .nullable()
    .describe(
      'The frozen prefix kept per image, of the last stage that keeps one; null when it was not worth keeping.',
    ),
  deviceMemory: programMemorySchema
    .optional()
    .describe('Of the program that ran each step; absent where the backend does not report it.'),
  dispatchesPerStep: count
    .optional()
    .describe('Kernels that each step starts; absent where the backend does not report it.'),
});
export type TrainingResult = z.infer<typeof trainingResultSchema>;

export const evaluationSchema = z.strictObject({
  name: z.string().describe('E.g. `test`, or `own labels`.'),
  split: z.enum(['train', 'val', 'test']),
  caveat: z
    .string()
    .nullable()
    .describe('Why its numbers do not measure what they seem to; null for numbers to read.'),
  examples: count,
  values: z.record(z.string(), z.number().nullable()).describe('By metric; null where it has no value here.'),
  intervals: z.record(z.string(), interval).describe('95 % intervals over the examples, by metric.'),
  chance: z
    .record(z.string(), z.number())
    .default({})
    .describe(
      'What the best answer scores that is the same for every example, by metric where there is one.',
    ),
  details: z.record(z.string(), z.unknown()),
  scores: z
    .string()
    .nullable()
    .describe(
      'File of the scores of every example, from the run folder; null where it could not be written.',
    ),
  maps: z
    .string()
    .optional()
    .describe('File of some predicted masks or depth maps, from the run folder; absent where there is none.'),
});
export type EvaluationRecord = z.infer<typeof evaluationSchema>;

const splitReferenceSchema = z.strictObject({ examples: count, fingerprint: z.string() });

/** A file of trained weights. */
export const keptWeightsSchema = z.strictObject({
  file: z.string().describe('A safetensors file, from the run folder.'),
  sha256: z.string().describe('Of the whole file.'),
  bytes,
});
export type KeptWeights = z.infer<typeof keptWeightsSchema>;

export const drawSchema = z.strictObject({
  train: splitReferenceSchema.describe('The training examples of this draw.'),
  training: trainingResultSchema.nullable().describe('Null in a phase that trains nothing.'),
  evaluations: z.array(evaluationSchema).describe('The first one is to be read.'),
  weights: keptWeightsSchema
    .nullable()
    .optional()
    .describe(
      'What the draw trained: the head, the method’s parameters and what it changed of the backbone; of a phase that ' +
        'trains a head alone, the head. Absent where it was not to be kept, null where it could not be written.',
    ),
});

export const phaseRecordSchema = z.strictObject({
  name: z.string(),
  from: z.string().nullable(),
  task: z.strictObject({ name: z.string(), options: z.record(z.string(), z.unknown()) }),
  protocol: z.strictObject({ name: z.string(), options: z.record(z.string(), z.unknown()) }),
  trains: z.enum(['all', 'head', 'nothing']),
  headOf: z
    .string()
    .optional()
    .describe('Of a phase that trains nothing: the phase whose head it is scored with.'),
  data: z.strictObject({
    dataset: z.string(),
    splits: z
      .record(z.string(), splitReferenceSchema)
      .describe('The splits of the data set as it defines them, by name.'),
    notes: z.array(z.string()),
  }),
  preprocessing: z.record(z.string(), z.unknown()),
  metrics: z.array(metricSchema),
  draws: z.array(drawSchema).min(1).describe('Independent trainings; most protocols make a single one.'),
});
export type PhaseRecord = z.infer<typeof phaseRecordSchema>;
