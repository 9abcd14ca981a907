import { join } from 'node:path';
import type { DataContext } from '@kora-bench/core';
import { inspectCheckpointFolder, resolveModel } from '@kora-bench/models';
import { openDatasets, planPhase } from '../phases/plan-phases.js';
import type { Registry } from '../registry/registry.js';
import type { ResolvedConfig } from './resolve-config.js';

/**
 * Opens the backbones' headers and the data of every phase and takes the examples of every method, so that
 * what is missing, broken or too small is reported before the first cell starts.
 * @throws MissingDataError | FormatError | CheckpointError | InputError
 */
export async function checkData(
  { config, registry, methods, phases }: ResolvedConfig,
  context: DataContext,
): Promise<void> {
  for (const model of config.models) await checkWeights(model, registry, context);
  const datasets = await openDatasets(phases, context);
  for (const name of config.models) {
    const model = await resolveModel(name, [...registry.models.values()]);
    for (const method of methods) {
      const settings = {
        config,
        method,
        model: model.config,
        learningRate: method.learningRate ?? config.training.learningRate,
        seed: config.seeds[0]!,
        preprocessing: model.preprocessing,
      };
      for (const phase of phases) planPhase(phase, datasets.get(phase.config.data)!, settings);
    }
  }
}

/** A folder's headers were read when its name was resolved; a plugin's weights are left to the cells. */
async function checkWeights(name: string, registry: Registry, context: DataContext): Promise<void> {
  const model = await resolveModel(name, [...registry.models.values()]);
  if (model.embedded) await model.load(context);
  else if (model.hubRepo !== undefined) {
    const folder = join(context.dataDir, 'models', model.name);
    await inspectCheckpointFolder(folder, { expected: model.config, howToGet: model.howToGet });
  }
}
