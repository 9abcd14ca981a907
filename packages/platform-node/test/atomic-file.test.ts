import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { makeFolder, writeFileAtomic } from '@kora-bench/platform-node/atomic-file';
import { afterEach, beforeEach, expect, it } from 'vitest';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kora-atomic-'));
});
afterEach(() => rm(folder, { recursive: true }));

it('writes text and bytes, in folders that were not there', async () => {
  const path = join(folder, 'a', 'b', 'file');
  await writeFileAtomic(path, 'first');
  await writeFileAtomic(path, Uint8Array.of(1, 2, 3));
  expect([...(await readFile(path))]).toEqual([1, 2, 3]);
  expect(await readdir(join(folder, 'a', 'b'))).toEqual(['file']);
});

it('ends with one of the contents when several are written at once', async () => {
  const path = join(folder, 'file');
  const contents = Array.from({ length: 8 }, (_, i) => String(i).repeat(50_000));
  await Promise.all(contents.map((content) => writeFileAtomic(path, content)));
  expect(contents).toContain(await readFile(path, 'utf8'));
  expect(await readdir(folder)).toEqual(['file']);
});

/** A limit on the size of files stands in for a full disk: there too a write ends early, and the next one fails. */
it.skipIf(process.platform === 'win32')(
  'leaves the old file alone when the new one does not fit (not on Windows, which has no such limits)',
  async () => {
    const path = join(folder, 'file');
    await writeFile(path, 'old');
    const program = `
      import { writeFileAtomic } from '@kora-bench/platform-node/atomic-file';
      process.on('SIGXFSZ', () => undefined);
      const outcome = await writeFileAtomic(${JSON.stringify(path)}, 'x'.repeat(1_000_000)).then(() => 'written', ({ code }) => code);
      process.stdout.write(outcome);
    `;
    const { stdout } = await promisify(execFile)(
      'sh',
      ['-c', 'ulimit -f 16 && exec "$0" --input-type=module --eval "$1"', process.execPath, program],
      { cwd: import.meta.dirname },
    );
    expect(stdout).toBe('EFBIG');
    expect(await readFile(path, 'utf8')).toBe('old');
    expect(await readdir(folder)).toEqual(['file']);
  },
);

it('says that a folder cannot be made instead of trying for ever', () => {
  expect(() => makeFolder(join(import.meta.filename, 'below', 'a', 'file'))).toThrow(/ENOTDIR/);
});

it.skipIf(process.platform !== 'linux')('says so below /proc too (on Linux alone)', () => {
  expect(() => makeFolder('/proc/kora-bench/folder')).toThrow(/ENOENT/);
});
