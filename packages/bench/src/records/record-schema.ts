import type { ProgramMemory } from '@kora-bench/core/backend';
import { KoraError } from '@kora-bench/core/errors';
import { z } from 'zod';
import { runConfigSchema } from '../config/run-config.js';

/*
 * One record per cell: one method with one configuration on one backend, one backbone and one seed, taken
 * through the phases of its run. Records are written atomically, never edited, and hold all that is needed to
 * read them alone: what was measured, how each metric is defined and shown, and what code made them.
 */

const share = z.number().min(0).max(1);
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

export const environmentSchema = z.strictObject({
  node: z.string(),
  platform: z.string(),
  cpu: z.string(),
  cores: count,
  memoryBytes: count,
  backend: z.record(z.string(), z.string()),
});

export const codeSchema = z.strictObject({
  packages: z.record(z.string(), z.string()).describe('Versions of this suite’s packages, by name.'),
  plugins: z
    .array(
      z.strictObject({
        name: z.string(),
        kind: z.string(),
        version: z.string().nullable().describe('Null where a plugin has no version.'),
        digest: z
          .string()
          .describe(
            'SHA-256 of all code that it loads: the content of files, name and version of published packages.',
          ),
      }),
    )
    .describe('What was registered from outside.'),
  commit: z.string().nullable().describe('Of the checkout that ran; null outside a checkout.'),
  dirty: z.boolean().nullable().describe('Whether the checkout had changes that were not committed.'),
});

/** An adapter that a cell starts from. */
export const cellAdapterSchema = z.strictObject({
  folder: z.string(),
  sha256: z.string().describe('Of its two files.'),
});
export type CellAdapter = z.infer<typeof cellAdapterSchema>;

export const cellSchema = z.strictObject({
  /** File name of the record without its ending; unique in a run, stable across runs of one configuration. */
  id: z.string(),
  label: z.string(),
  method: z.string(),
  options: z.record(z.string(), z.unknown()).describe('Complete, with defaults filled in.'),
  learningRate: z
    .number()
    .nullable()
    .describe('Of phases without a rate of their own; null in a plan whose search has yet to choose it.'),
  learningRates: z
    .array(z.number())
    .optional()
    .describe('The rates that a search chooses from; absent where the configuration gives the rate.'),
  adapter: cellAdapterSchema
    .optional()
    .describe('The adapter of peft’s that training starts from; absent where the method starts afresh.'),
  backend: z.string(),
  device: z.string(),
  backendOptions: z.record(z.string(), z.unknown()),
  model: z.string(),
  seed: count,
});
export type Cell = z.infer<typeof cellSchema>;

/** `lora on onnxruntime:cpu, seed 1`, with the backbone where a run has several. */
export function cellName({ label, model, backend, device, seed }: Cell, severalModels: boolean): string {
  return `${label}${severalModels ? ` with ${model}` : ''} on ${backend}:${device}, seed ${seed}`;
}

const common = {
  schemaVersion: z.literal(2),
  cell: cellSchema,
  startedAt: z.iso.datetime(),
  finishedAt: z.iso.datetime(),
  config: runConfigSchema,
};

/** How a search chose a learning rate. Each rate that it tried has a record of its own in the run folder’s `search/`. */
export const searchSchema = z.strictObject({
  phase: z.string().describe('The phase that was trained with each rate: the first one.'),
  split: z.literal('val'),
  seed: count,
  metric: z.string().describe('Key of the phase’s primary metric, which chose.'),
  examples: count.describe('Examples that each candidate was scored on.'),
  tried: z
    .array(
      z.strictObject({
        learningRate: z.number(),
        value: z.number().nullable().describe('Mean over the draws; null where training broke off.'),
        cell: z.string().describe('Id of its record in `search/`.'),
        error: z.string().nullable(),
      }),
    )
    .min(1)
    .describe('By rising rate.'),
  chosen: z.number().describe('The best one; of equals the lowest.'),
  edge: z
    .enum(['lowest', 'highest'])
    .nullable()
    .describe('Whether the chosen rate is at an end of those tried, so that a better one may lie beyond.'),
});
export type SearchRecord = z.infer<typeof searchSchema>;

/** What a search found for a cell: its rate, or why there is none. */
export type ChosenRate = SearchRecord | { readonly error: FailedRecord['error'] };

export const doneRecordSchema = z.strictObject({
  ...common,
  status: z.literal('done'),
  environment: environmentSchema,
  code: codeSchema,
  model: z.strictObject({
    fingerprint: z.string(),
    notes: z.array(z.string()),
    backboneParameters: count,
    trainableParameters: count,
    share: share.describe('trainable / (backbone + trainable), with the head of the first phase.'),
  }),
  search: searchSchema
    .nullable()
    .default(null)
    .describe('Null where the configuration gives the learning rate.'),
  phases: z.array(phaseRecordSchema).min(1),
  analyses: z
    .record(z.string(), z.record(z.string(), z.unknown()))
    .describe('What each analysis found, by name.'),
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

/** Any error in the form that failed records keep and that travels between processes. */
export function describeFailure(error: unknown): FailedRecord['error'] {
  if (error instanceof KoraError) {
    const { code, message, where = null, expected = null, received = null, fix = null } = error;
    return { code, message, where, expected, received, fix };
  }
  const message = error instanceof Error ? error.message : String(error);
  return { code: 'UNEXPECTED', message, where: null, expected: null, received: null, fix: null };
}

/** A failure as text for a terminal, as `KoraError.explain` writes it. */
export function failureText({ message, where, expected, received, fix }: FailedRecord['error']): string {
  const details = Object.entries({ where, expected, received, fix }).flatMap(([name, value]) =>
    value === null ? [] : [`  ${`${name}:`.padEnd(10)}${value}`],
  );
  return [message, ...details].join('\n');
}
