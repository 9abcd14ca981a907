import type { HostTensor, ImageSplit, OwnedParameter, Preprocessing, Task } from '@kora-bench/core';
import {
  buildEvalProgram,
  imagesFeed,
  joinFlat,
  parametersState,
  partitionFrozenPrefix,
  sizeOf,
} from '@kora-bench/core';
import type { CellContext } from './cell-context.js';
import { fixedBatches, inOrder } from './fixed-batches.js';
import { frozenFeatures, isWorthKeeping } from './frozen-features.js';
import type { WeightStore } from './weight-store.js';

export interface PredictionSpec {
  readonly name: string;
  readonly task: Task;
  readonly split: ImageSplit;
  readonly preprocessing: Preprocessing;
  readonly stage: string;
  readonly batchSize: number;
}

export interface PredictionBatch {
  /** Rows of logits `[n, C]` or of log depth `[n, H, W]`, without padding. */
  readonly prediction: HostTensor;
  readonly indices: Int32Array;
  /** Metres `[B, H, W]`, padding included, for depth. */
  readonly depth: HostTensor | undefined;
}

/**
 * Runs the model on a whole split, batch by batch, with the values in `weights`. Head and method are
 * state, so that what depends on the backbone alone can come from the kept features.
 */
export async function* predictions(
  context: CellContext,
  weights: WeightStore,
  spec: PredictionSpec,
): AsyncGenerator<PredictionBatch> {
  const { backend, checkpoint, method } = context;
  const { task, split, preprocessing, batchSize, stage } = spec;
  const trains = ({ owner }: OwnedParameter) => owner === 'head' || owner === 'method';
  const { program, layout } = buildEvalProgram(
    { model: checkpoint.config, method, task, batchSize, stage, trains },
    ['prediction'],
  );
  const partition = partitionFrozenPrefix(program, new Set([imagesFeed]));
  const kept = partition !== undefined && isWorthKeeping(partition) ? partition : undefined;
  const features =
    kept && (await frozenFeatures(context, kept, weights, split, preprocessing, batchSize, spec.name));
  const executable = await backend.compile(kept?.rest ?? program, weights.values);
  const state = await backend.createState({
    [parametersState]: joinFlat((name) => weights.get(name).data, layout),
  });
  const needsPixels = features === undefined || task.kind === 'depth';
  const order = inOrder(split.length);
  const totalSteps = Math.ceil(split.length / batchSize);
  context.report({ kind: 'phase', phase: spec.name, totalSteps });
  const started = performance.now();
  let done = 0;
  const run = async (
    feeds: Record<string, HostTensor>,
    indices: Int32Array,
    depth: HostTensor | undefined,
  ): Promise<PredictionBatch> => {
    const outputs = await executable.run({ feeds, state, fetch: ['prediction'] });
    const whole = outputs['prediction']!;
    const shape = [indices.length, ...whole.shape.slice(1)];
    done += indices.length;
    const imagesPerSecond = done / ((performance.now() - started) / 1000);
    context.report({
      kind: 'step',
      phase: spec.name,
      step: Math.ceil(done / batchSize),
      totalSteps,
      loss: null,
      imagesPerSecond,
    });
    return { prediction: { dtype: 'f32', shape, data: whole.data.slice(0, sizeOf(shape)) }, indices, depth };
  };
  try {
    if (!needsPixels) {
      for (let at = 0; at < order.length; at += batchSize) {
        const indices = order.subarray(at, at + batchSize);
        yield await run(features.gather(indices), indices, undefined);
      }
      return;
    }
    const reader = await split.open(preprocessing);
    try {
      for await (const batch of fixedBatches(split, reader, order, batchSize, { preprocessing })) {
        const feeds = features?.gather(batch.indices) ?? { [imagesFeed]: batch.images };
        yield await run(feeds, batch.indices, batch.depth);
      }
    } finally {
      await reader.close();
    }
  } finally {
    features?.close();
    await state.dispose();
    await executable.dispose();
  }
}
