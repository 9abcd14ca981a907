import { z } from 'zod';

/** How training moves its images; see the data sets' augmentation. */
export const augmentations = ['none', 'flip', 'crop-flip'] as const;
/**
 * - `none`: the pixels as they are.
 * - `flip`: mirrored left to right with probability 1/2.
 * - `crop-flip`: `flip`, after a shift by up to 1/8 of the height and of the width, uniformly, where the
 *   border is filled by reflection (a random crop of the reflection-padded image).
 */
export type Augmentation = (typeof augmentations)[number];

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

const fields = {
  epochs: z.int().min(1).max(1000),
  batchSize: z.int().min(1).max(4096),
  learningRate: z.number().positive().max(10),
  optimizer: optimizerSchema,
  schedule: scheduleSchema,
  clipNorm: z.number().positive().nullable().describe('Largest L2 norm of a gradient; null is any.'),
  labelSmoothing: z.number().min(0).lt(1),
  augmentation: z.enum(augmentations),
};

/** How a phase trains, whole. */
export const trainingSchema = z.strictObject({
  ...fields,
  optimizer: optimizerSchema.prefault({ kind: 'adamw' }),
  schedule: scheduleSchema.prefault({}),
  clipNorm: fields.clipNorm.default(1),
  labelSmoothing: fields.labelSmoothing.default(0),
  augmentation: fields.augmentation.default('none'),
});
export type TrainingConfig = z.infer<typeof trainingSchema>;

/** Some fields of a training, to be laid over a whole one; nothing is filled in. */
export const trainingChangesSchema = z.strictObject(fields).partial();
export type TrainingChanges = z.infer<typeof trainingChangesSchema>;
