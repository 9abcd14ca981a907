import { join, resolve } from 'node:path';
import { InputError } from '@kora-bench/core/errors';

/** Absolute paths; the folders need not exist. */
export interface DataFolders {
  /** Of downloaded data sets and models. */
  readonly dataDir: string;
  /** Of decoded images, features and anything else that can be made again. */
  readonly cacheDir: string;
}

// It asks for the user's home as soon as it is loaded, which throws for a user without an entry in the system's
// list, as in a container with a number for a user: that must not end who has set both folders.
const envPaths = await import('env-paths').then(
  (module) => module.default,
  (error: unknown) => error as Error,
);

/**
 * Where data and caches are: `KORA_DATA_DIR` and `KORA_CACHE_DIR`, or the platform's own folders for an
 * application's data and caches. For a user without a home, data is by default in `data` of the cache folder.
 * @throws InputError for a user without a home where `KORA_CACHE_DIR` is not set
 */
export function dataFolders(environment: NodeJS.ProcessEnv = process.env): DataFolders {
  const { KORA_DATA_DIR: data, KORA_CACHE_DIR: cache } = environment;
  if (!(envPaths instanceof Error)) {
    const paths = envPaths('kora-bench', { suffix: '' });
    return { dataDir: resolve(data || paths.data), cacheDir: resolve(cache || paths.cache) };
  }
  if (!cache) {
    throw new InputError('There is no folder for caches: this user has no home folder.', {
      where: 'KORA_CACHE_DIR',
      expected: 'the path of a folder that can be written',
      received: `nothing, and no home: ${envPaths.message}`,
      fix: 'Set KORA_CACHE_DIR, and KORA_DATA_DIR where data sets or checkpoints are needed.',
      cause: envPaths,
    });
  }
  return { dataDir: resolve(data || join(cache, 'data')), cacheDir: resolve(cache) };
}
