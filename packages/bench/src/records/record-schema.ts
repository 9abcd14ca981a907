import { KoraError } from '@kora-bench/core/errors';
import { z } from 'zod';
import { runConfigSchema } from '../config/run-config.js';
import { findingSchema, phaseRecordSchema } from './phase-record-schema.js';

/*
 * One record per cell: one method with one configuration on one backend, one backbone and one seed, taken
 * through the phases of its run. Records are written atomically, never edited, and hold all that is needed to
 * read them alone: what was measured, how each metric is defined and shown, and what code made them.
 */

const share = z.number().min(0).max(1);
const count = z.int().min(0);

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
