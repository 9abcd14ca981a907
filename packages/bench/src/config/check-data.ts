import { join } from 'node:path';
import type { DataContext, ImageDataset } from '@kora-bench/core';
import { InputError } from '@kora-bench/core';
import { inspectCheckpointFolder, resolveModel } from '@kora-bench/models';
import type { Registry } from '../registry/registry.js';
import type { ResolvedConfig } from './resolve-config.js';
import type { RunConfig } from './run-config.js';

/**
 * Opens the backbone's headers and the data of every task, so that what is missing, broken or too small is
 * told before the first cell starts.
 * @throws MissingDataError | FormatError | CheckpointError | InputError
 */
export async function checkData({ config, registry }: ResolvedConfig, context: DataContext): Promise<void> {
  await checkWeights(config, registry, context);
  const open = (name: string) => registry.datasets.get(name)!.open(context);
  const { training, transfer, depthTraining, limits, tasks, protocols } = config;
  const source = await open(config.source);
  checkBatch(source, trainExamples(source, limits.trainExamples), training.batchSize, 'training.batchSize');
  if (tasks.includes('transfer')) {
    const target = await open(config.target);
    if (protocols.includes('stratified')) {
      const shots = transfer.shotsPerClass * target.train.classNames.length;
      checkBatch(target, trainExamples(target, shots), transfer.batchSize, 'transfer.batchSize');
    }
  }
  if (tasks.includes('depth')) {
    const depth = await open(config.depth);
    checkBatch(
      depth,
      trainExamples(depth, limits.trainExamples),
      depthTraining.batchSize,
      'depthTraining.batchSize',
    );
  }
}

/** A folder's headers were read when its name was resolved; a plugin's weights are left to the cells. */
async function checkWeights(config: RunConfig, registry: Registry, context: DataContext): Promise<void> {
  const model = await resolveModel(config.model, [...registry.models.values()]);
  if (model.embedded) await model.load(context);
  else if (model.hubRepo !== undefined) {
    const folder = join(context.dataDir, 'models', model.name);
    await inspectCheckpointFolder(folder, { expected: model.config, howToGet: model.howToGet });
  }
}

function trainExamples({ train }: ImageDataset, most: number | null): number {
  return Math.min(train.length, most ?? train.length);
}

function checkBatch({ name }: ImageDataset, examples: number, batchSize: number, where: string): void {
  if (batchSize <= examples) return;
  throw new InputError('The batch is larger than the data.', {
    where,
    expected: `at most ${examples}, the training examples of ${name} in this run`,
    received: String(batchSize),
    fix:
      where === 'training.batchSize'
        ? 'Use a smaller --batch-size, or more examples with --limit.'
        : `Use a smaller ${where}, or more examples.`,
  });
}
