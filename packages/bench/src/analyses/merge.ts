import type { HostTensor, Weights } from '@kora-bench/core/graph';
import type { ConfiguredMethod } from '@kora-bench/core/peft';
import { withoutMethod } from '@kora-bench/core/peft';
import { buildEvalProgram, imagesFeed, mergeMethod } from '@kora-bench/core/training';
import { finalStage, firstBatch, withSession } from '@kora-bench/trainer';
import { z } from 'zod';
import { auditMerge } from '../audits/method-audit.js';
import { defineAnalysis } from './analysis.js';

/** What the analysis leaves in the record. */
export const mergeResultSchema = z.strictObject({
  phase: z.string(),
  error: z
    .number()
    .nullable()
    .describe('Largest absolute difference of predictions after merging; null if it cannot be merged.'),
});
export type MergeResult = z.infer<typeof mergeResultSchema>;

/**
 * Folds the trained method into the backbone and compares the plain model's predictions with the method's
 * on one batch.
 */
export const merge = defineAnalysis({
  name: 'merge',
  description: 'Folds the method into the backbone and compares the predictions on one batch.',
  options: z.strictObject({
    phase: z.string().optional().describe('The phase to look at; the first that is scored by default.'),
  }),
  async run(context, { planned, task, weights }): Promise<MergeResult> {
    const { method, model, backend } = context;
    const phase = planned.phase.config.name;
    const merged = mergeMethod(model, method, weights.values);
    if (merged === undefined) return { phase, error: null };
    const [draw] = planned.draws;
    const { batchSize } = draw.training;
    const { images } = await firstBatch(draw.evaluations[0].split, draw.preprocessing, batchSize);
    const predict = (used: ConfiguredMethod, values: Weights): Promise<HostTensor> => {
      const stage = finalStage(method);
      const spec = { model, method: used, task, batchSize, stage, trains: () => false };
      const { program } = buildEvalProgram(spec, ['prediction']);
      return withSession({ backend, program, weights: values }, async (session) => {
        const { prediction } = await session.run({ [imagesFeed]: images }, ['prediction']);
        return prediction!;
      });
    };
    const adapted = await predict(method, weights.values);
    const folded = await predict(withoutMethod(method), new Map([...weights.values, ...merged]));
    let [error, largest] = [0, 0];
    for (const [i, value] of adapted.data.entries()) {
      error = Math.max(error, Math.abs(value - folded.data[i]!));
      largest = Math.max(largest, Math.abs(value));
    }
    auditMerge(context.findings, planned.phase.label, error, largest);
    return { phase, error };
  },
});
