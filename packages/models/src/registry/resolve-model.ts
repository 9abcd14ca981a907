import { stat } from 'node:fs/promises';
import { basename, isAbsolute, resolve } from 'node:path';
import { InputError } from '@kora-bench/core/errors';
import type { Checkpoint } from '@kora-bench/core/nn';
import { vitArchitecture } from '@kora-bench/core/nn';
import { distance } from 'fastest-levenshtein';
import type { LoadOptions } from '../checkpoint/load-checkpoint-folder.js';
import { inspectCheckpointFolder, loadCheckpointFolder } from '../checkpoint/load-checkpoint-folder.js';
import type { ModelContext, ModelDefinition } from './model-definition.js';
import { models } from './models.js';

/**
 * The model of a registered name, or of a checkpoint's folder when a path is given: one that is absolute or
 * holds a slash, e.g. `./my-model`. Of a folder, only the headers are read.
 *
 * @param definitions what is registered
 * @throws InputError for an unknown name, with the valid ones and the nearest
 * @throws MissingDataError | FormatError | CheckpointError as `inspectCheckpointFolder` does
 */
export async function resolveModel(
  nameOrPath: string,
  definitions: readonly ModelDefinition[] = models,
): Promise<ModelDefinition> {
  const found = definitions.find(({ name, hubRepo }) => nameOrPath === name || nameOrPath === hubRepo);
  if (found !== undefined) return found;
  if (isAbsolute(nameOrPath) || /[/\\]/.test(nameOrPath)) return folderModel(resolve(nameOrPath));
  const names = definitions.map(({ name }) => name);
  const nearest = names.toSorted((a, b) => distance(a, nameOrPath) - distance(b, nameOrPath))[0];
  const isFolder = await stat(nameOrPath).then(
    (entry) => entry.isDirectory(),
    () => false,
  );
  throw new InputError(`There is no model "${nameOrPath}".`, {
    where: 'model',
    expected: `one of ${names.join(', ')}, or the path of a checkpoint's folder`,
    received: nameOrPath,
    fix: isFolder ? `To load the folder, write ./${nameOrPath}.` : `Did you mean ${nearest}?`,
  });
}

/**
 * The weights of a registered name, or of a checkpoint's folder when a path is given, as {@link resolveModel}
 * finds it.
 *
 * @param context where downloaded weights are
 * @param definitions what is registered
 * @throws InputError for an unknown name
 * @throws MissingDataError | FormatError | CheckpointError as the model's `load` does
 */
export async function loadModel(
  nameOrPath: string,
  context: ModelContext,
  options?: LoadOptions,
  definitions: readonly ModelDefinition[] = models,
): Promise<Checkpoint> {
  return (await resolveModel(nameOrPath, definitions)).load(context, options);
}

/** A model that is registered nowhere: a folder with `config.json` and `model.safetensors`. */
async function folderModel(folder: string): Promise<ModelDefinition> {
  const { config, preprocessing, notes } = await inspectCheckpointFolder(folder);
  return {
    name: basename(folder),
    description: [`${config.name} from a folder`, ...notes].join('; '),
    model: vitArchitecture(config),
    preprocessing,
    embedded: false,
    howToGet: '',
    load: (_context, options) => loadCheckpointFolder(folder, options),
  };
}
