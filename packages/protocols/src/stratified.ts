import { defineProtocol } from '@kora-bench/core/training';
import { perClassSubset, shareSubset, withValidation } from '@kora-bench/datasets';
import { z } from 'zod';

/** A small share of the training examples, evenly over the classes; scored on the whole test split. */
export const stratified = defineProtocol({
  name: 'stratified',
  description:
    'A share of the training examples (1 % by default), evenly over the classes, drawn by the seed; scored on the test split.',
  options: z.strictObject({
    share: z.number().positive().max(1).default(0.01).describe('Of the training examples of each class.'),
    perClass: z
      .int()
      .min(1)
      .nullable()
      .default(null)
      .describe('Training examples of each class, instead of a share.'),
  }),
  draws({ data, preprocessing, training, seed }, { share, perClass }) {
    const { train, val, test } = withValidation(data);
    return [
      {
        train: perClass === null ? shareSubset(train, share, seed) : perClassSubset(train, perClass, seed),
        val,
        evaluations: [{ name: 'test', split: test }],
        preprocessing,
        training,
        unshuffled: false,
        findings: [],
      },
    ];
  },
});
