import { requireTarget } from '@kora-bench/core/data';
import { linear } from '@kora-bench/core/ops';
import { defineTask, errorMetric, meanSquaredError } from '@kora-bench/core/training';
import { z } from 'zod';

export default defineTask({
  name: 'plain-regression',
  description: 'A few numbers per image: a linear head, mean squared error.',
  targets: ['value'], // kinds that a data set must have
  options: z.strictObject({}),
  create({ targets }) {
    const n = requireTarget(targets, 'value', 'the training split').names.length;
    return {
      name: 'plain-regression',
      metrics: [
        errorMetric({
          key: 'mae',
          label: 'MAE',
          description: 'Mean absolute error.',
          primary: true,
          shown: 'table',
        }),
      ],
      parameters: ({ width }) => [
        { name: 'head.weight', shape: [n, width], init: { kind: 'truncatedNormal', std: 0.02 } },
        { name: 'head.bias', shape: [n], init: { kind: 'zeros' } },
      ],
      predict: ({ features }, _model, parameter) =>
        linear(features, parameter('head.weight'), parameter('head.bias')), // [B, n]
      targets: (_model, batch) => [{ kind: 'value', shape: [batch, n], dtype: 'f32' }],
      loss: (prediction, { value }) => meanSquaredError(prediction, value!), // [B]
      evaluator() {
        const errors: number[] = [];
        return {
          add({ prediction, targets: { value } }) {
            const own = new Array<number>(value!.shape[0]!).fill(0);
            value!.data.forEach((truth, i) => {
              own[Math.floor(i / n)]! += Math.abs(prediction.data[i]! - truth) / n;
            });
            errors.push(...own);
            return { absoluteError: own }; // one score per example: what two runs are compared by
          },
          result: () => ({
            examples: errors.length,
            values: { mae: errors.reduce((sum, x) => sum + x, 0) / errors.length },
            intervals: {},
            details: {},
          }),
        };
      },
    };
  },
});
