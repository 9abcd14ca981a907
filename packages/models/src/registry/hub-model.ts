import { join } from 'node:path';
import { vitArchitecture } from '@kora-bench/core/nn';
import { checkpointFiles, preprocessorFile } from '../checkpoint/checkpoint-files.js';
import { inspectCheckpointFolder, loadCheckpointFolder } from '../checkpoint/load-checkpoint-folder.js';
import { resolveUrl } from '../hub/hub-files.js';
import type { ModelContext, ModelDefinition } from './model-definition.js';

/** Whether a name is that of a repository on the Hugging Face hub, e.g. `facebook/dinov2-small`. */
export function isHubName(name: string): boolean {
  return /^[A-Za-z0-9][\w.-]*\/[A-Za-z0-9][\w.-]*$/.test(name);
}

/** Where the files of a repository are, or will be. */
export function hubFolder(repo: string, { dataDir }: ModelContext): string {
  return join(dataDir, 'models', ...repo.split('/'));
}

/** How to get the files of a repository. */
export function howToGetRepo(repo: string): string {
  const [config, weights] = checkpointFiles.map((file) => resolveUrl(repo, file));
  return (
    `Run kora-bench data get ${repo}, or download ${config} and ${weights} (and ${preprocessorFile}, where the ` +
    `repository has one) into the folder models/${repo} of the data folder (KORA_DATA_DIR).`
  );
}

/**
 * The model of a repository on the hub that has been downloaded.
 * @throws MissingDataError when it has not, with how to get it
 * @throws FormatError | CheckpointError as `inspectCheckpointFolder` does
 */
export async function hubModel(repo: string, context: ModelContext): Promise<ModelDefinition> {
  const howToGet = howToGetRepo(repo);
  const { config, preprocessing, notes } = await inspectCheckpointFolder(hubFolder(repo, context), {
    howToGet,
  });
  return {
    name: repo,
    description: [`${config.name} from the hub`, ...notes].join('; '),
    model: vitArchitecture(config),
    preprocessing,
    embedded: false,
    howToGet,
    hubRepo: repo,
    load: (where, options) => loadCheckpointFolder(hubFolder(repo, where), { ...options, howToGet }),
  };
}
