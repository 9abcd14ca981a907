import { stat } from 'node:fs/promises';
import { MissingDataError } from '@kora-bench/core/errors';

/** The geometry and preprocessing of a checkpoint folder. */
export const configFile = 'config.json';
/** The weights of a checkpoint folder. */
export const weightsFile = 'model.safetensors';
/** Says which tensor is in which file, where the weights are in several. */
export const weightsIndexFile = 'model.safetensors.index.json';
/** Where transformers keeps the preprocessing. */
export const preprocessorFile = 'preprocessor_config.json';
/** Where transformers 5 keeps it for models of images and texts. */
export const processorFile = 'processor_config.json';

/** What every checkpoint folder holds. */
export const checkpointFiles = [configFile, weightsFile] as const;

/** The error for a file of a checkpoint that cannot be opened, with the reason and what to do about it. */
export function missingFile(path: string, howToGet: string, cause: unknown): MissingDataError {
  const absent = hasCode(cause, 'ENOENT') || hasCode(cause, 'ENOTDIR');
  return new MissingDataError(
    absent ? 'A checkpoint file is missing.' : 'A checkpoint file cannot be read.',
    {
      where: path,
      expected: 'a readable file',
      received: absent ? 'no such file' : cause instanceof Error ? cause.message : String(cause),
      fix: absent ? howToGet : 'Check the permissions of the file and its folder.',
      cause,
    },
  );
}

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}

/** Whether anything of that name is there; one that cannot be looked at counts, so that opening it says why. */
export async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    (error: NodeJS.ErrnoException) => error.code !== 'ENOENT' && error.code !== 'ENOTDIR',
  );
}
