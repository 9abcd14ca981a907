import { spawnSync } from 'node:child_process';
import { isAbsolute, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { dataFolders } from '@kora-bench/platform-node/data-folders';
import { describe, expect, it } from 'vitest';

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

describe('for a user without a home', () => {
  const noHome = fileURLToPath(new URL('./no-home.mjs', import.meta.url));
  const script = `
    import { dataFolders } from '@kora-bench/platform-node/data-folders';
    try { console.log(JSON.stringify(dataFolders())); }
    catch ({ code, where, fix }) { console.log(JSON.stringify({ code, where, fix })); }`;
  const folders = (environment: NodeJS.ProcessEnv): unknown => {
    const { stdout, stderr } = spawnSync(
      process.execPath,
      ['--import', noHome, '--input-type=module', '--eval', script],
      {
        encoding: 'utf8',
        cwd: fileURLToPath(new URL('..', import.meta.url)),
        env: { PATH: process.env.PATH, ...environment },
      },
    );
    return stderr === '' ? JSON.parse(stdout) : stderr;
  };

  it('takes the folders that are set', () => {
    const set = { KORA_DATA_DIR: resolve('/data'), KORA_CACHE_DIR: resolve('/caches') };
    expect(folders(set)).toEqual({ dataDir: set.KORA_DATA_DIR, cacheDir: set.KORA_CACHE_DIR });
  });

  it('looks for data below the cache folder where that alone is set', () => {
    expect(folders({ KORA_CACHE_DIR: resolve('/caches') })).toEqual({
      dataDir: resolve('/caches/data'),
      cacheDir: resolve('/caches'),
    });
  });

  it('names the variable that is missing', () => {
    expect(folders({ KORA_DATA_DIR: '/data' })).toMatchObject({
      code: 'INPUT',
      where: 'KORA_CACHE_DIR',
      fix: expect.stringContaining('Set KORA_CACHE_DIR') as string,
    });
  });
});
