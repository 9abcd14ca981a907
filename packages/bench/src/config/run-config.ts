import { interpolations } from '@kora-bench/core/data';
import { trainingChangesSchema, trainingSchema } from '@kora-bench/core/training';
import { z } from 'zod';
import { publishedTableSchema } from '../published/published-schema.js';
import { pluginsSchema } from '../registry/plugins.js';

/*
 * The configuration of a run, as suites (JSON files) and command-line flags make it: an experiment is data.
 * Unknown fields are refused, and the resolved whole is written into the run folder and into each record.
 */

const positiveInt = z.int().min(1);

export const methodEntrySchema = z.strictObject({
  name: z.string().min(1).describe('A registered method.'),
  label: z.string().min(1).optional().describe('How tables call this entry; the name by default.'),
  preset: z.string().optional(),
  options: z.record(z.string(), z.unknown()).default({}),
  learningRate: z
    .number()
    .positive()
    .max(10)
    .optional()
    .describe('Replaces training.learningRate for this method, in phases without a rate of their own.'),
  adapter: z
    .string()
    .min(1)
    .optional()
    .describe(
      'A folder of Hugging Face peft’s with an adapter that the method starts from; it gives the options that are not ' +
        'given here.',
    ),
  ablates: z
    .strictObject({
      of: z.string().min(1).describe('The label of the full method, another entry of the run.'),
      factor: z.string().min(1).describe('What of it is changed, e.g. `gate`.'),
      parameters: z
        .number()
        .min(0)
        .max(1)
        .optional()
        .describe(
          'Its own parameters are as many as the full method’s, within this share: 0.02 is 2 %. Any number where absent.',
        ),
    })
    .optional()
    .describe('Makes the entry an ablation: it is tested against the full method, at the same budget.'),
});
export type MethodEntry = z.infer<typeof methodEntrySchema>;

export const backendEntrySchema = z.strictObject({
  name: z.string().min(1),
  device: z.string().optional(),
  options: z.record(z.string(), z.unknown()).default({}),
});

/** Something registered, by its name or with options. */
export const entrySchema = z.union([
  z.string().min(1),
  z.strictObject({ name: z.string().min(1), options: z.record(z.string(), z.unknown()).default({}) }),
]);
export type Entry = z.infer<typeof entrySchema>;

/** The name and options of an entry. */
export function nameAndOptions(entry: Entry): {
  readonly name: string;
  readonly options: Readonly<Record<string, unknown>>;
} {
  return typeof entry === 'string' ? { name: entry, options: {} } : entry;
}

const limitsFields = {
  trainExamples: positiveInt.nullable(),
  valExamples: positiveInt.nullable(),
  testExamples: positiveInt.nullable(),
};

/** At most this many examples per split; null is all. */
export const limitsSchema = z.strictObject({
  trainExamples: limitsFields.trainExamples.default(null),
  valExamples: limitsFields.valExamples.default(null),
  testExamples: limitsFields.testExamples.default(null),
});
export type Limits = z.infer<typeof limitsSchema>;

const preprocessingSchema = z.strictObject({
  mean: z.tuple([z.number(), z.number(), z.number()]).optional(),
  std: z.tuple([z.number().positive(), z.number().positive(), z.number().positive()]).optional(),
  interpolation: z.enum(interpolations).optional(),
  cropPct: z
    .number()
    .positive()
    .max(1)
    .optional()
    .describe('What the crop keeps of the resized image’s shorter side; 1 resizes to the input alone.'),
});

export const phaseSchema = z.strictObject({
  name: z
    .string()
    .regex(/^[a-z0-9]+(-[a-z0-9]+)*$/, {
      error: 'a name of lower-case letters, digits and single hyphens, e.g. transfer-few-shot',
    })
    .describe('Unique in the run; names results, e.g. `source`.'),
  from: z
    .string()
    .nullable()
    .default(null)
    .describe(
      'An earlier phase whose trained model this one starts from (of several draws, the first one’s); null is the checkpoint.',
    ),
  task: entrySchema.describe('A registered task.'),
  data: z.string().min(1).describe('A registered data set, or the path of a folder or archive of images.'),
  protocol: entrySchema.default('full').describe('A registered protocol: which examples are taken.'),
  trains: z
    .enum(['all', 'head', 'nothing'])
    .default('all')
    .describe(
      'all: the method and a new head (after another phase, as in the method’s last stage); head: a new head alone; ' +
        'nothing: the model of `from` is scored under the head of `headOf`.',
    ),
  headOf: z
    .string()
    .optional()
    .describe(
      'Of a phase that trains nothing: the earlier phase, of the same task and data, whose head it uses. What the model ' +
        'has become worse since then is its forgetting.',
    ),
  training: trainingChangesSchema.prefault({}).describe('What differs from the run’s training.'),
  limits: z.strictObject(limitsFields).partial().prefault({}).describe('What differs from the run’s limits.'),
  preprocessing: preprocessingSchema.prefault({}).describe('Instead of the run’s.'),
  evaluate: z
    .array(z.enum(['val', 'test']))
    .default(['test'])
    .describe('The splits to score on: choices are made on val, results are reported on test.'),
});
export type PhaseConfig = z.infer<typeof phaseSchema>;

const learningRatesSchema = z.union([
  z.literal('default'),
  z
    .array(z.number().positive().max(10))
    .min(2)
    .refine((rates) => new Set(rates).size === rates.length, { error: 'rates that are each named once' }),
]);

const ratesChosenForSchema = z.strictObject({
  model: z.string().min(1),
  data: z.string().min(1).describe('Of the first phase.'),
  split: z.enum(['val', 'test']).describe('What the candidates were scored on; choices belong on val.'),
});
export type RatesChosenFor = z.infer<typeof ratesChosenForSchema>;

export const runConfigSchema = z.strictObject({
  $schema: z.string().optional(),
  description: z.string().default(''),
  plugins: pluginsSchema.prefault({}),
  methods: z.array(methodEntrySchema).min(1),
  backends: z.array(backendEntrySchema).min(1),
  models: z
    .array(z.string().min(1))
    .min(1)
    .describe('Registered backbones, or folders with config.json and model.safetensors.'),
  phases: z.array(phaseSchema).min(1).describe('What every method goes through, in this order.'),
  analyses: z
    .array(entrySchema)
    .default([])
    .describe('What is looked at once the phases are done; `list analyses` shows which there are.'),
  seeds: z.array(z.int().min(0)).min(1),
  training: trainingSchema.describe('How phases train, as far as they do not say otherwise.'),
  learningRates: learningRatesSchema
    .optional()
    .describe(
      'Rates that each method trains the first phase with, once each with the first seed; the best on val is used ' +
        'in place of the method’s rate. `default`: those of the method’s package, else five around its rate ' +
        '(times 0.1, 0.3, 1, 3 and 10).',
    ),
  ratesChosenFor: ratesChosenForSchema
    .nullable()
    .default(null)
    .describe(
      'What the methods’ rates in this suite were chosen for: a run with another model or other data says so. ' +
        'Null where nothing is known.',
    ),
  keepWeights: z
    .boolean()
    .default(false)
    .describe(
      'Keep what each cell trains, as safetensors in the run folder, for `export`. Decides no number: it may be turned ' +
        'on when a run is resumed.',
    ),
  limits: limitsSchema
    .prefault({})
    .describe('At most this many examples per split, drawn evenly over the classes; null is all.'),
  preprocessing: preprocessingSchema
    .prefault({})
    .describe(
      'Overrides of the checkpoint’s resizing and normalisation; a mismatch of the latter is a finding.',
    ),
  published: z
    .array(publishedTableSchema)
    .default([])
    .describe('Published results that reports put the run’s own beside. They decide no number of the run.'),
});
export type RunConfig = z.infer<typeof runConfigSchema>;
export type RunConfigInput = z.input<typeof runConfigSchema>;
