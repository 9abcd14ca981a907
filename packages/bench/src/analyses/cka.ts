import type { CkaMatrix, LayerBatch } from '@kora-bench/core/metrics';
import { imagesFeed } from '@kora-bench/core/training';
import type { ReportProgress, Session } from '@kora-bench/trainer';
import { fixedBatches, PassProgress, withSession } from '@kora-bench/trainer';
import { defineAnalysis } from './analysis.js';
import type { CkaEstimate } from './cka-estimators.js';
import { startEstimate } from './cka-estimators.js';
import type { CkaPlan } from './cka-plan.js';
import { planCka } from './cka-plan.js';
import type { CkaResult } from './cka-schema.js';
import { ckaOptionsSchema } from './cka-schema.js';

/** CKA between layers, over images spread evenly over the test split. */
export const cka = defineAnalysis({
  name: 'cka',
  description: 'CKA between all layers, and against the untouched backbone, over images of the test split.',
  options: ckaOptionsSchema,
  check(look, options) {
    planCka(look, options);
  },
  async run(context, { planned, weights }, options): Promise<CkaResult> {
    const { backend, checkpoint, model, method, report } = context;
    const plan = planCka({ model, method, planned }, options);
    const { adapted, backbone, layers, kernel, estimator } = plan;
    const estimate = startEstimate(plan);
    const parameters = weights.flat(adapted.layout);
    await withSession(
      { backend, program: adapted.program, weights: weights.values, parameters },
      async (session) => {
        if (backbone === undefined) return lookAt([session], plan, { estimate, report });
        const untouched = { backend, program: backbone.program, weights: checkpoint.tensors };
        return withSession(untouched, (other) => lookAt([session, other], plan, { estimate, report }));
      },
    );
    const { n, biased, debiased } = estimate.result();
    const part = (rows: number, columns: number) => ({
      biased: tile(biased, layers.length, [rows, columns]),
      debiased: tile(debiased, layers.length, [rows, columns]),
    });
    return {
      phase: planned.phase.config.name,
      layers: layers.map(({ name }) => name),
      examples: n,
      ...part(0, 0),
      tokens: plan.tokens,
      kernel: kernel.kind,
      bandwidth: kernel.kind === 'rbf' ? kernel.bandwidth : null,
      estimator,
      batchSize: estimator === 'minibatch' ? plan.batchSize : null,
      memory: { limitBytes: plan.limitBytes, usedBytes: estimate.bytes },
      backbone: backbone === undefined ? null : { ...part(1, 1), across: part(0, 1) },
    };
  },
});

/** Shows the images to every model, batch by batch. */
async function lookAt(
  sessions: readonly Session[],
  { layers, images, order, batchSize, preprocessing }: CkaPlan,
  { estimate, report }: { readonly estimate: CkaEstimate; readonly report: ReportProgress },
): Promise<void> {
  const names = layers.map(({ name }) => name);
  const reader = await images.open(preprocessing);
  try {
    const progress = new PassProgress(report, 'cka', Math.ceil(order.length / batchSize));
    for await (const batch of fixedBatches({ split: images, reader, order, batchSize, preprocessing })) {
      for (const session of sessions) {
        const found = await session.run({ [imagesFeed]: batch.images }, names);
        estimate.add(
          layers.map(({ name, features }): LayerBatch => {
            const { data } = found[name]!;
            const all = data instanceof Float32Array ? data : Float32Array.from(data);
            return { shape: [batch.count, features], data: all.subarray(0, batch.count * features) };
          }),
        );
      }
      progress.step(batch.count);
    }
  } finally {
    await reader.close();
  }
}

/** One of the squares of `size` that a matrix between the layers of several models is made of. */
function tile(
  matrix: CkaMatrix,
  size: number,
  [row, column]: readonly [row: number, column: number],
): (number | null)[][] {
  const of = <T>(list: readonly T[], at: number) => list.slice(at * size, (at + 1) * size);
  return of(matrix, row).map((line) => of(line, column));
}
