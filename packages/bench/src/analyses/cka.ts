import { LinearCka } from '@kora-bench/core/metrics';
import { buildEvalProgram, imagesFeed } from '@kora-bench/core/training';
import { subset } from '@kora-bench/datasets';
import { finalStage, fixedBatches, inOrder, PassProgress, withSession } from '@kora-bench/trainer';
import { z } from 'zod';
import { defineAnalysis } from './analysis.js';

const matrix = z.array(z.array(z.number().nullable()));

/** What the analysis leaves in the record. */
export const ckaResultSchema = z.strictObject({
  phase: z.string(),
  layers: z.array(z.string()),
  examples: z.int().min(0),
  biased: matrix.describe('As published; biased upwards for few examples.'),
  debiased: matrix,
});
export type CkaResult = z.infer<typeof ckaResultSchema>;

/** Linear CKA between the class tokens after all blocks, over images spread evenly over the test split. */
export const cka = defineAnalysis({
  name: 'cka',
  description: 'Linear CKA between the class tokens after all blocks, over images of the test split.',
  options: z.strictObject({
    phase: z.string().optional().describe('The phase to look at; the first that is scored by default.'),
    examples: z.int().min(4).default(256),
  }),
  async run(context, { planned, task, weights }, { examples }): Promise<CkaResult> {
    const { backend, model, method, report } = context;
    const [draw] = planned.draws;
    const { batchSize } = draw.training;
    const { split } = draw.evaluations[0];
    const count = Math.min(examples, split.length);
    const chosen = subset(
      split,
      Array.from({ length: count }, (_, i) => Math.floor((i * split.length) / count)),
    );
    const trains = ({ owner }: { readonly owner: string }) => owner === 'method';
    const { program, layout } = buildEvalProgram(
      { model, method, task, batchSize, stage: finalStage(method), trains },
      ['blockFeatures'],
    );
    const layers = Array.from({ length: model.depth }, (_, block) => `blocks.${block}`);
    const similarity = new LinearCka(layers);
    const parameters = weights.flat(layout);
    await withSession({ backend, program, weights: weights.values, parameters }, async (session) => {
      const { preprocessing } = draw;
      const reader = await chosen.open(preprocessing);
      try {
        const progress = new PassProgress(report, 'cka', Math.ceil(count / batchSize));
        const order = inOrder(count);
        for await (const batch of fixedBatches({ split: chosen, reader, order, batchSize, preprocessing })) {
          const { blockFeatures } = await session.run({ [imagesFeed]: batch.images }, ['blockFeatures']);
          const all = Float32Array.from(blockFeatures!.data);
          const size = batchSize * model.width;
          similarity.add(
            layers.map((_, block) => ({
              shape: [batch.count, model.width],
              data: all.subarray(block * size, block * size + batch.count * model.width),
            })),
          );
          progress.step(batch.count);
        }
      } finally {
        await reader.close();
      }
    });
    const { n, biased, debiased } = similarity.result();
    const copy = (rows: readonly (readonly (number | null)[])[]) => rows.map((row) => [...row]);
    return {
      phase: planned.phase.config.name,
      layers,
      examples: n,
      biased: copy(biased),
      debiased: copy(debiased),
    };
  },
});
