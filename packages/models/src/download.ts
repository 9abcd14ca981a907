import { rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { FormatError, InputError, KoraError, MissingDataError } from '@kora-bench/core/errors';
import { makeFolder } from '@kora-bench/platform-node/atomic-file';
import {
  configFile,
  preprocessorFile,
  processorFile,
  weightsFile,
  weightsIndexFile,
} from './checkpoint/checkpoint-files.js';
import { inspectConfig } from './checkpoint/load-checkpoint-folder.js';
import { readJson } from './checkpoint/read-json.js';
import { shardNames, weightsIndexSchema } from './checkpoint/weights-files.js';
import { type HubAccess, hubFileMetadata, resolveUrl, verifyChecksum } from './hub/hub-files.js';
import { type FetchOptions, resumableFetch } from './hub/resumable-fetch.js';
import { howToGetRepo, hubFolder, isHubName } from './registry/hub-model.js';
import type { ModelContext, ModelDefinition } from './registry/model-definition.js';
import { models } from './registry/models.js';
import { resolveModel } from './registry/resolve-model.js';

export interface DownloadProgress {
  readonly file: string;
  /** Bytes that are there. */
  readonly bytes: number;
  /** Bytes of the whole file. */
  readonly total: number;
}

export interface DownloadOptions
  extends Partial<Pick<FetchOptions, 'signal' | 'retries' | 'retryDelay' | 'stallTimeout'>> {
  readonly definitions?: readonly ModelDefinition[];
}

/**
 * Downloads a model from the Hugging Face hub (or the mirror in `HF_ENDPOINT`, with the access token in `HF_TOKEN`):
 * a registered one into `<dataDir>/models/<name>/`, any other repository, e.g. `facebook/dinov2-small`, into
 * `<dataDir>/models/<owner>/<repository>/`. The configuration comes first, and what it says is not supported is
 * refused before the weights are fetched. An interrupted download resumes where it stopped;
 * every file is checked against the hub's digest before it gets its name, and one that is already there
 * and right is not fetched again.
 *
 * @returns the folder
 * @throws InputError for an unknown model, one that is not on the hub, or a folder that cannot be written
 * @throws MissingDataError when the hub refuses, or the connection stays broken
 * @throws FormatError when what came is not what the hub announced
 * @throws CheckpointError when the model needs what is not supported
 */
export async function download(
  name: string,
  context: ModelContext,
  onProgress: (progress: DownloadProgress) => void = () => {},
  options: DownloadOptions = {},
): Promise<string> {
  const { repo, folder } = await source(name, context, options.definitions ?? models);
  const access: HubAccess = {
    token: process.env.HF_TOKEN || undefined,
    ...(options.signal === undefined ? {} : { signal: options.signal }),
  };
  const fetchFile = (file: string) => {
    const onBytes = (bytes: number, total: number) => onProgress({ file, bytes, total });
    return downloadFile(resolveUrl(repo, file), join(folder, file), { ...options, access, onBytes });
  };
  try {
    makeFolder(folder);
    await fetchFile(configFile);
    const { library } = await inspectConfig(folder, howToGetRepo(repo));
    if (library === 'transformers') {
      await fetchFile(preprocessorFile).catch((error: unknown) => {
        if (!isAbsent(error)) throw error;
        return fetchFile(processorFile);
      });
    }
    await fetchFile(weightsFile).catch(async (error: unknown) => {
      if (!isAbsent(error)) throw error;
      await fetchFile(weightsIndexFile).catch((missing: unknown) => {
        throw isAbsent(missing) ? noWeights(repo, missing) : missing;
      });
      const index = join(folder, weightsIndexFile);
      const { weight_map: files } = await readJson(index, weightsIndexSchema, howToGetRepo(repo));
      for (const name of shardNames(Object.values(files), index)) await fetchFile(name);
    });
  } catch (error) {
    throw asKoraError(error, folder);
  }
  return folder;
}

const isAbsent = (error: unknown) => error instanceof MissingDataError && error.received === 'status 404';

/** The repository is there, its weights are in another form. */
function noWeights(repo: string, cause: unknown): MissingDataError {
  return new MissingDataError(`The repository ${repo} has no ${weightsFile}.`, {
    where: resolveUrl(repo, weightsFile),
    expected: 'the weights in the safetensors format',
    received: 'status 404',
    fix: 'Use a repository that has one, or save the model with save_pretrained of transformers (save_for_hf of timm) and give its folder.',
    cause,
  });
}

async function source(
  name: string,
  context: ModelContext,
  definitions: readonly ModelDefinition[],
): Promise<{ readonly repo: string; readonly folder: string }> {
  const registered = definitions.some((model) => name === model.name || name === model.hubRepo);
  if (!registered && isHubName(name)) return { repo: name, folder: hubFolder(name, context) };
  const model = await resolveModel(name, definitions, context);
  if (model.hubRepo !== undefined)
    return { repo: model.hubRepo, folder: join(context.dataDir, 'models', model.name) };
  throw new InputError(`There is nothing to download for ${model.name}.`, {
    where: 'model',
    expected: 'a model with a repository on the hub',
    received: model.embedded ? 'an embedded model: it comes with the package' : 'a folder',
    fix: 'Use the model as it is.',
  });
}

interface FileOptions extends DownloadOptions {
  readonly access: HubAccess;
  readonly onBytes: (bytes: number, total: number) => void;
}

async function downloadFile(
  url: string,
  path: string,
  { access, onBytes, retries = 5, retryDelay = 1000, stallTimeout = 60_000 }: FileOptions,
): Promise<void> {
  const remote = await hubFileMetadata(url, access);
  const { size: total, checksum } = remote;
  if ((await verifyChecksum(path, remote))?.ok) {
    onBytes(total, total);
    return;
  }
  // The digest in the name keeps the parts of two versions of a file apart.
  const partPath = `${path}.${checksum.hex.slice(0, 16)}.part`;
  await resumableFetch(remote, partPath, {
    ...access,
    onBytes: (bytes) => onBytes(bytes, total),
    retries,
    retryDelay,
    stallTimeout,
  });
  const verdict = await verifyChecksum(partPath, remote);
  if (!verdict?.ok) {
    await rm(partPath, { force: true });
    throw new FormatError('The downloaded file is not what the hub announced; it has been deleted.', {
      where: remote.url,
      expected: `${total} bytes with ${checksum.kind} ${checksum.hex}`,
      received: verdict?.found ?? 'nothing',
      fix: 'Start the download again.',
    });
  }
  await rename(partPath, path);
}

/** Failures of the disk and the network as errors that say what to do. */
function asKoraError(error: unknown, folder: string): unknown {
  if (error instanceof KoraError || !(error instanceof Error) || error.name === 'AbortError') return error;
  if ('syscall' in error) {
    return new InputError('The folder for the model cannot be written.', {
      where: folder,
      expected: 'a writable folder with enough space',
      received: error.message,
      fix: 'Point KORA_DATA_DIR to a folder that can be written.',
      cause: error,
    });
  }
  return error;
}
