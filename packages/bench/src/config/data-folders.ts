import { resolve } from 'node:path';
import type { DataContext } from '@kora-bench/core';
import envPaths from 'env-paths';

/**
 * Where data and caches are: `KORA_DATA_DIR` and `KORA_CACHE_DIR`, or the platform's own folders for an
 * application's data and caches.
 */
export function dataFolders(environment: NodeJS.ProcessEnv = process.env): DataContext {
  const paths = envPaths('kora-bench', { suffix: '' });
  return {
    dataDir: resolve(environment.KORA_DATA_DIR || paths.data),
    cacheDir: resolve(environment.KORA_CACHE_DIR || paths.cache),
  };
}
