import type { ImageSplit, Preprocessing, Task } from '@kora-bench/core';
import { buildEvalProgram, imagesFeed, joinFlat, LinearCka, parametersState } from '@kora-bench/core';
import { subset } from '@kora-bench/datasets';
import type { DoneRecord } from '../records/record-schema.js';
import type { CellContext } from './cell-context.js';
import { fixedBatches, inOrder } from './fixed-batches.js';
import type { WeightStore } from './weight-store.js';

/**
 * Linear CKA between the class tokens after all blocks, over `examples` images spread evenly over
 * `split`.
 */
export async function blockSimilarity(
  context: CellContext,
  weights: WeightStore,
  task: Task,
  stage: string,
  split: ImageSplit,
  preprocessing: Preprocessing,
  batchSize: number,
  examples: number,
): Promise<DoneRecord['cka']> {
  const { backend, checkpoint, method } = context;
  const model = checkpoint.config;
  const count = Math.min(examples, split.length);
  const chosen = subset(
    split,
    Array.from({ length: count }, (_, i) => Math.floor((i * split.length) / count)),
  );
  const trains = ({ owner }: { owner: string }) => owner === 'method';
  const { program, layout } = buildEvalProgram({ model, method, task, batchSize, stage, trains }, [
    'blockFeatures',
  ]);
  const layers = Array.from({ length: model.depth }, (_, block) => `blocks.${block}`);
  const cka = new LinearCka(layers);
  const executable = await backend.compile(program, weights.values);
  const usesState = program.nodes.some(({ op }) => op.kind === 'state');
  const state = usesState
    ? await backend.createState({ [parametersState]: joinFlat((name) => weights.get(name).data, layout) })
    : undefined;
  const reader = await chosen.open(preprocessing);
  try {
    context.report({ kind: 'phase', phase: 'cka', totalSteps: Math.ceil(count / batchSize) });
    for await (const batch of fixedBatches(chosen, reader, inOrder(count), batchSize, { preprocessing })) {
      const outputs = await executable.run({
        feeds: { [imagesFeed]: batch.images },
        fetch: ['blockFeatures'],
        ...(state && { state }),
      });
      const all = Float32Array.from(outputs['blockFeatures']!.data);
      const size = batchSize * model.width;
      cka.add(
        layers.map((_, block) => ({
          shape: [batch.count, model.width],
          data: all.subarray(block * size, block * size + batch.count * model.width),
        })),
      );
    }
  } finally {
    await reader.close();
    await state?.dispose();
    await executable.dispose();
  }
  const result = cka.result();
  return {
    layers,
    examples: result.n,
    biased: result.biased.map((row) => [...row]),
    debiased: result.debiased.map((row) => [...row]),
  };
}
