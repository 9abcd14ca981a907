import { stat } from 'node:fs/promises';
import { basename, isAbsolute, resolve } from 'node:path';
import { InputError } from '@kora-bench/core/errors';
import type { Checkpoint } from '@kora-bench/core/nn';
import { vitArchitecture } from '@kora-bench/core/nn';
import { dataFolders } from '@kora-bench/platform-node/data-folders';
import { distance } from 'fastest-levenshtein';
import type { LoadOptions } from '../checkpoint/load-checkpoint-folder.js';
import { inspectCheckpointFolder, loadCheckpointFolder } from '../checkpoint/load-checkpoint-folder.js';
import { fileInsteadOfFolder } from '../checkpoint/weights-files.js';
import { hubModel, isHubName } from './hub-model.js';
import type { ModelContext, ModelDefinition } from './model-definition.js';
import { models } from './models.js';

/**
 * The model of a registered name, of a checkpoint's folder, or of a repository on the Hugging Face hub that has been
 * downloaded. A path is absolute or holds a slash, e.g. `./my-model`; a name like `facebook/dinov2-small` is a
 * repository's unless there is a folder of that name. Only the headers of files are read.
 *
 * @param definitions what is registered
 * @param context where downloaded weights are; by default where the environment says
 * @param where the place of the name, for errors
 * @throws InputError for an unknown name, with the valid ones and the nearest
 * @throws MissingDataError | FormatError | CheckpointError as `inspectCheckpointFolder` does
 */
export async function resolveModel(
  nameOrPath: string,
  definitions: readonly ModelDefinition[] = models,
  context: ModelContext = dataFolders(),
  where = 'model',
): Promise<ModelDefinition> {
  const found = definitions.find(({ name, hubRepo }) => nameOrPath === name || nameOrPath === hubRepo);
  if (found !== undefined) return found;
  const entry = await stat(nameOrPath).catch(() => undefined);
  const isFolder = entry?.isDirectory() ?? false;
  if (entry?.isFile()) throw fileInsteadOfFolder(resolve(nameOrPath));
  if (isHubName(nameOrPath) && !isFolder) return hubModel(nameOrPath, context);
  if (isAbsolute(nameOrPath) || /[/\\]|^\.{1,2}$/.test(nameOrPath)) return folderModel(resolve(nameOrPath));
  const names = definitions.map(({ name }) => name);
  const nearest = names.toSorted((a, b) => distance(a, nameOrPath) - distance(b, nameOrPath))[0];
  throw new InputError(`There is no model "${nameOrPath}".`, {
    where,
    expected: `one of ${names.join(', ')}, a repository on the Hugging Face hub, or the path of a checkpoint's folder`,
    received: nameOrPath,
    fix: isFolder ? `To load the folder, write ./${nameOrPath}.` : `Did you mean ${nearest}?`,
  });
}

/**
 * The weights of a model, as {@link resolveModel} finds it.
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
  return (await resolveModel(nameOrPath, definitions, context)).load(context, options);
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
