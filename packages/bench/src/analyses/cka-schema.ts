import { z } from 'zod';

const matrix = z.array(z.array(z.number().nullable()));
const similarity = {
  biased: matrix.describe('As published; biased upwards for few examples.'),
  debiased: matrix,
};
const bytes = z.int().min(0);

export const ckaOptionsSchema = z
  .strictObject({
    phase: z.string().optional().describe('The phase to look at; the first that is scored by default.'),
    layers: z
      .union([z.enum(['blocks', 'sublayers']), z.array(z.string().min(1)).min(1)])
      .default('blocks')
      .describe(
        'The tokens after each block; with `sublayers` also what attention and MLP add to them; or kinds of sites of the model.',
      ),
    tokens: z
      .enum(['class', 'patch-mean', 'all'])
      .optional()
      .describe(
        'What stands for an image: its class token, the mean of its patches, or all tokens side by side. The class token, ' +
          'or the mean where the model has none, by default.',
      ),
    kernel: z.enum(['linear', 'rbf']).default('linear'),
    bandwidth: z
      .number()
      .positive()
      .optional()
      .describe('Of the RBF kernel, times the median distance between images; 0.8 by default.'),
    estimator: z
      .enum(['exact', 'minibatch'])
      .optional()
      .describe(
        'Over all images together, or HSIC averaged over random batches. `exact` by default for the linear kernel of class ' +
          'tokens or means.',
      ),
    batchSize: z
      .int()
      .min(4)
      .optional()
      .describe(
        'Images at once: the batches of `minibatch`, 64 by default; no number of `exact` depends on it.',
      ),
    examples: z
      .union([z.int().min(4), z.literal('all')])
      .default(256)
      .describe('Images, spread evenly over the test split.'),
    against: z
      .enum(['itself', 'backbone'])
      .default('itself')
      .describe('With `backbone` also the untouched backbone: within it, and between the two.'),
    memoryMiB: z
      .number()
      .positive()
      .default(1024)
      .describe('The most that activations, Gram matrices and sums may take.'),
  })
  .refine(({ kernel, bandwidth }) => kernel === 'rbf' || bandwidth === undefined, {
    path: ['bandwidth'],
    error: 'no bandwidth: the linear kernel has none',
  })
  .refine(({ kernel, estimator }) => kernel === 'linear' || estimator !== 'exact', {
    path: ['estimator'],
    error: '"minibatch" for the RBF kernel, exact where one batch holds all images',
  });
export type CkaOptions = z.infer<typeof ckaOptionsSchema>;

/** What the analysis leaves in the record. What records of before did not have is as it then always was. */
export const ckaResultSchema = z.strictObject({
  phase: z.string(),
  layers: z.array(z.string()),
  examples: z.int().min(0),
  ...similarity,
  tokens: z.enum(['class', 'patch-mean', 'all']).default('class'),
  kernel: z.enum(['linear', 'rbf']).default('linear'),
  bandwidth: z.number().nullable().default(null).describe('Null for the linear kernel.'),
  estimator: z.enum(['exact', 'minibatch']).default('exact'),
  batchSize: z.int().nullable().default(null).describe('Of the minibatch estimator; null for the exact one.'),
  memory: z
    .strictObject({
      limitBytes: bytes,
      usedBytes: bytes.describe('Activations, Gram matrices and sums at their most.'),
    })
    .nullable()
    .default(null),
  backbone: z
    .strictObject({
      ...similarity,
      across: z
        .strictObject(similarity)
        .describe('Rows are layers of the trained model, columns those of the untouched backbone.'),
    })
    .nullable()
    .default(null)
    .describe('Within the untouched backbone; null where it was not looked at.'),
});
export type CkaResult = z.infer<typeof ckaResultSchema>;
