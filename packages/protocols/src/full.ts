import { defineProtocol } from '@kora-bench/core/training';
import { withValidation } from '@kora-bench/datasets';
import { z } from 'zod';

/** All training examples; scored on the test split. */
export const full = defineProtocol({
  name: 'full',
  description: 'All training examples; scored on the test split.',
  options: z.strictObject({
    carveValidation: z
      .boolean()
      .default(true)
      .describe(
        'Where the data set has no validation split: set a tenth of the training examples aside as one (true), ' +
          'or train on all of them (false), as published tables do.',
      ),
  }),
  draws({ data, preprocessing, training }, { carveValidation }) {
    const { train, val, test } = carveValidation ? withValidation(data) : data;
    return [
      {
        train,
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
