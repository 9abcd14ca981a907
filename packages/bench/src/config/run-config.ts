import { z } from 'zod';

/*
 * The configuration of a run, as suites (JSON files) and command-line flags make it. Every field has a
 * default, unknown fields are refused, and the resolved whole is written into the run folder and into
 * each record.
 */

const positiveInt = z.int().min(1);

export const optimizerSchema = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('adamw'),
    beta1: z.number().min(0).lt(1).default(0.9),
    beta2: z.number().min(0).lt(1).default(0.999),
    eps: z.number().positive().default(1e-8),
    weightDecay: z.number().min(0).default(0.01),
  }),
  z.strictObject({
    kind: z.literal('sgd'),
    momentum: z.number().min(0).lt(1).default(0.9),
    weightDecay: z.number().min(0).default(0),
  }),
]);

export const scheduleSchema = z.strictObject({
  kind: z.enum(['constant', 'cosine']).default('cosine'),
  warmup: z.number().min(0).lt(1).default(0.1).describe('Share of all steps with a linearly rising rate.'),
});

/** How one training phase runs. */
export const trainingSchema = z.strictObject({
  epochs: positiveInt.max(1000),
  batchSize: positiveInt.max(4096),
  learningRate: z.number().positive().max(10),
  optimizer: optimizerSchema.prefault({ kind: 'adamw' }),
  schedule: scheduleSchema.prefault({}),
  clipNorm: z.number().positive().nullable().default(1),
  labelSmoothing: z.number().min(0).lt(1).default(0),
  augmentation: z.enum(['none', 'flip', 'crop-flip']).default('none'),
});
export type TrainingConfig = z.infer<typeof trainingSchema>;

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
    .describe('Replaces training.learningRate for this method.'),
});
export type MethodEntry = z.infer<typeof methodEntrySchema>;

export const backendEntrySchema = z.strictObject({
  name: z.string().min(1),
  device: z.string().optional(),
  options: z.record(z.string(), z.unknown()).default({}),
});

export const protocolNames = ['stratified', 'as-published'] as const;
export type ProtocolName = (typeof protocolNames)[number];

export const taskNames = ['source', 'transfer', 'depth'] as const;
export type TaskName = (typeof taskNames)[number];

/** Packages (by name or path) that register more of each kind. */
export const pluginsSchema = z.strictObject({
  methods: z.array(z.string()).default([]),
  backends: z.array(z.string()).default([]),
  models: z.array(z.string()).default([]),
  datasets: z.array(z.string()).default([]),
});

export const runConfigSchema = z.strictObject({
  $schema: z.string().optional(),
  description: z.string().default(''),
  plugins: pluginsSchema.prefault({}),
  methods: z.array(methodEntrySchema).min(1),
  backends: z.array(backendEntrySchema).min(1),
  model: z
    .string()
    .min(1)
    .describe('A registered backbone, or a folder with config.json and model.safetensors.'),
  source: z.string().min(1).describe('The classification data set that methods are trained on.'),
  target: z.string().min(1).describe('The classification data set of the transfer task.'),
  depth: z.string().min(1).describe('The data set of the depth task.'),
  tasks: z.array(z.enum(taskNames)).min(1),
  protocols: z.array(z.enum(protocolNames)).min(1),
  seeds: z.array(z.int().min(0)).min(1),
  training: trainingSchema,
  transfer: z.strictObject({
    epochs: positiveInt.max(1000),
    learningRate: z.number().positive().max(10),
    batchSize: positiveInt.max(4096),
    shotsPerClass: positiveInt,
  }),
  depthTraining: z.strictObject({
    epochs: positiveInt.max(1000),
    learningRate: z.number().positive().max(10),
    batchSize: positiveInt.max(4096),
  }),
  limits: z
    .strictObject({
      trainExamples: positiveInt.nullable().default(null),
      valExamples: positiveInt.nullable().default(null),
    })
    .prefault({})
    .describe('At most this many examples per split, drawn evenly over the classes; null is all.'),
  preprocessing: z
    .strictObject({
      mean: z.tuple([z.number(), z.number(), z.number()]).optional(),
      std: z.tuple([z.number().positive(), z.number().positive(), z.number().positive()]).optional(),
    })
    .prefault({})
    .describe('Overrides of the checkpoint’s normalisation; a mismatch is a finding.'),
  ckaExamples: z.int().min(4).default(256),
});
export type RunConfig = z.infer<typeof runConfigSchema>;
export type RunConfigInput = z.input<typeof runConfigSchema>;
