import type {
  ConfiguredMethod,
  HostTensor,
  ImageSplit,
  Preprocessing,
  Task,
  Weights,
} from '@kora-bench/core';
import { buildEvalProgram, InternalError, imagesFeed } from '@kora-bench/core';
import { subset } from '@kora-bench/datasets';
import type { CellContext } from './cell-context.js';
import { fixedBatches, inOrder } from './fixed-batches.js';
import type { WeightStore } from './weight-store.js';

/**
 * Folds the trained method into the backbone and compares the plain model's logits with the method's on
 * one batch: the largest absolute difference, or `null` where the method cannot be merged.
 */
export async function mergeError(
  context: CellContext,
  weights: WeightStore,
  task: Task,
  stage: string,
  split: ImageSplit,
  preprocessing: Preprocessing,
  batchSize: number,
): Promise<number | null> {
  const { method, checkpoint, backend } = context;
  const { definition, options } = method;
  if (definition.merge === undefined) return null;
  const model = checkpoint.config;
  const own = new Map(definition.parameters(model, options).map(({ name }) => [name, weights.get(name)]));
  const merged = definition.merge(weights.values, own, model, options);
  const plain: ConfiguredMethod = {
    definition: { ...definition, attach: () => (site) => site.value, parameters: () => [] },
    options,
  };
  const images = await oneBatch(split, preprocessing, batchSize);
  const logits = async (used: ConfiguredMethod, values: Weights): Promise<HostTensor> => {
    const spec = { model, method: used, task, batchSize, stage, trains: () => false };
    const executable = await backend.compile(buildEvalProgram(spec, ['prediction']).program, values);
    try {
      return (await executable.run({ feeds: { [imagesFeed]: images }, fetch: ['prediction'] }))[
        'prediction'
      ]!;
    } finally {
      await executable.dispose();
    }
  };
  const adapted = await logits(method, weights.values);
  const folded = await logits(plain, new Map([...weights.values, ...merged]));
  let largest = 0;
  for (const [i, value] of adapted.data.entries())
    largest = Math.max(largest, Math.abs(value - folded.data[i]!));
  return largest;
}

async function oneBatch(
  split: ImageSplit,
  preprocessing: Preprocessing,
  batchSize: number,
): Promise<HostTensor> {
  const few = subset(
    split,
    Array.from({ length: Math.min(batchSize, split.length) }, (_, i) => i),
  );
  const reader = await few.open(preprocessing);
  try {
    const first = await fixedBatches(few, reader, inOrder(few.length), batchSize, { preprocessing }).next();
    if (first.done === true) throw new InternalError('An empty split has no batch.');
    return first.value.images;
  } finally {
    await reader.close();
  }
}
