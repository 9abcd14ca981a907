import { isAbsolute, resolve } from 'node:path';
import { dataFolders } from '@kora-bench/platform-node/data-folders';
import { expect, it } from 'vitest';

it('takes the folders that the environment names, relative to the current one', () => {
  expect(dataFolders({ KORA_DATA_DIR: 'data', KORA_CACHE_DIR: '/caches' })).toEqual({
    dataDir: resolve('data'),
    cacheDir: resolve('/caches'),
  });
});

it('takes the platform’s own otherwise; an empty value is none', () => {
  const { dataDir, cacheDir } = dataFolders({ KORA_DATA_DIR: '' });
  expect(dataDir).not.toBe(cacheDir);
  for (const folder of [dataDir, cacheDir]) {
    expect(isAbsolute(folder)).toBe(true);
    expect(folder).toMatch(/kora-bench/i);
  }
});
