import { resolve } from 'node:path';
import envPaths from 'env-paths';

/** Absolute paths; the folders need not exist. */
export interface DataFolders {
  /** Of downloaded data sets and models. */
  readonly dataDir: string;
  /** Of decoded images, features and anything else that can be made again. */
  readonly cacheDir: string;
}

/**
 * Where data and caches are: `KORA_DATA_DIR` and `KORA_CACHE_DIR`, or the platform's own folders for an
 * application's data and caches.
 */
export function dataFolders(environment: NodeJS.ProcessEnv = process.env): DataFolders {
  const paths = envPaths('kora-bench', { suffix: '' });
  return {
    dataDir: resolve(environment['KORA_DATA_DIR'] || paths.data),
    cacheDir: resolve(environment['KORA_CACHE_DIR'] || paths.cache),
  };
}
