import { rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { FormatError, InputError, KoraError } from '@kora-bench/core/errors';
import { makeFolder } from '@kora-bench/platform-node/atomic-file';
import { checkpointFiles } from './checkpoint/checkpoint-files.js';
import { type HubAccess, hubFileMetadata, resolveUrl, verifyChecksum } from './hub/hub-files.js';
import { type FetchOptions, resumableFetch } from './hub/resumable-fetch.js';
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
 * Downloads a registered model from the Hugging Face hub (or the mirror in `HF_ENDPOINT`, with the access
 * token in `HF_TOKEN`) into `<dataDir>/models/<name>/`. An interrupted download resumes where it stopped;
 * every file is checked against the hub's digest before it gets its name, and one that is already there
 * and right is not fetched again.
 *
 * @returns the folder
 * @throws InputError for an unknown model, one that is not on the hub, or a folder that cannot be written
 * @throws MissingDataError when the hub refuses, or the connection stays broken
 * @throws FormatError when what came is not what the hub announced
 */
export async function download(
  name: string,
  { dataDir }: ModelContext,
  onProgress: (progress: DownloadProgress) => void = () => {},
  options: DownloadOptions = {},
): Promise<string> {
  const model = await resolveModel(name, options.definitions ?? models);
  if (model.hubRepo === undefined) {
    throw new InputError(`There is nothing to download for ${model.name}.`, {
      where: 'model',
      expected: 'a model with a repository on the hub',
      received: model.embedded ? 'an embedded model: it comes with the package' : 'a folder',
      fix: 'Use the model as it is.',
    });
  }
  const folder = join(dataDir, 'models', model.name);
  const access: HubAccess = {
    token: process.env.HF_TOKEN || undefined,
    ...(options.signal === undefined ? {} : { signal: options.signal }),
  };
  try {
    makeFolder(folder);
    for (const file of checkpointFiles) {
      const onBytes = (bytes: number, total: number) => onProgress({ file, bytes, total });
      await downloadFile(resolveUrl(model.hubRepo, file), join(folder, file), {
        ...options,
        access,
        onBytes,
      });
    }
  } catch (error) {
    throw asKoraError(error, folder);
  }
  return folder;
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
