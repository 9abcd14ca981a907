import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, renameSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { cifar10, openFolderDataset, tinyImageNet } from '@kora-bench/datasets';
import { beforeAll, describe, expect, test } from 'vitest';
import { failureOf } from './support/failure-of.js';
import { imageOf } from './support/pixel-files.js';
import { writeFiles } from './support/place-files.js';
import { preprocessing } from './support/synthetic-split.js';
import { temporaryFolder } from './support/temporary-folder.js';

let image: Uint8Array;
beforeAll(async () => {
  image = await imageOf('jpeg', 8, 8);
});

/** A folder of two classes of four images. */
function photos(): string {
  const folder = join(temporaryFolder(), 'photos');
  writeFiles(
    folder,
    new Map(['a', 'b'].flatMap((name) => [0, 1, 2, 3].map((i) => [`${name}/${i}.jpg`, image] as const))),
  );
  return folder;
}

const open = (path: string) => openFolderDataset(path, { dataDir: '', cacheDir: temporaryFolder() });

describe('what lies in a folder of images and cannot be read is named, with a fix that is true', () => {
  test('a link that leads nowhere', async () => {
    const folder = photos();
    symlinkSync('../objects/12', join(folder, 'a', '9.jpg'));
    const failure = await failureOf(open(folder));
    expect(failure.where).toBe(join(folder, 'a/9.jpg'));
    expect(failure.received).toBe('a symbolic link to ../objects/12, where nothing is');
    expect(failure.fix).toMatch(/dvc pull, git annex get/);
  });

  test('a link that leads to itself', async () => {
    const folder = photos();
    symlinkSync('9.jpg', join(folder, 'a', '9.jpg'));
    const failure = await failureOf(open(folder));
    expect(failure.where).toBe(join(folder, 'a/9.jpg'));
    expect(failure.received).toMatch(/back to itself/);
  });

  test.each([
    ['to the folder around it', '..', (folder: string) => `${folder}/a/all`],
    ['to a folder that links back', '../b', (folder: string) => `${folder}/a/all/all`],
  ])('links in a circle: %s', async (_, target, where) => {
    const folder = photos();
    symlinkSync(target, join(folder, 'a', 'all'));
    symlinkSync('../a', join(folder, 'b', 'all'));
    const failure = await failureOf(open(folder));
    expect(failure.message).toBe('Links lead in a circle.');
    expect([where(folder), `${folder}/b/all/all`]).toContain(failure.where);
    expect(failure.fix).toBe('Remove the link.');
  });

  test('a named pipe and a socket, which would keep a reader waiting', async () => {
    const folder = photos();
    execFileSync('mkfifo', [join(folder, 'a', '9.jpg')]);
    expect((await failureOf(open(folder))).explain()).toMatch(/a\/9\.jpg\n.*\n.*a named pipe/);
    expect((await failureOf(open(join(folder, 'a', '9.jpg')))).received).toBe('a named pipe');
    const other = photos();
    const server = createServer().listen(join(other, 'a', '9.jpg'));
    await new Promise((resolve) => server.on('listening', resolve));
    expect((await failureOf(open(other))).explain()).toMatch(/a\/9\.jpg\n.*\n.*a socket/);
    server.close();
  });

  test.each([
    ['that vanishes', (path: string) => rmSync(path), /was there when its folder was listed/],
    ['that becomes shorter', (path: string) => truncateSync(path, 9), /9 bytes/],
    [
      'that becomes a folder',
      (path: string) => {
        rmSync(path);
        mkdirSync(path);
      },
      /a folder where a file should be/,
    ],
  ])('a file %s between opening and reading', async (_, change, received) => {
    const folder = photos();
    const { train } = await open(folder);
    const reader = await train.open(preprocessing(8));
    change(join(folder, train.paths[0]!));
    const failure = await failureOf(reader.read([0]));
    await reader.close();
    expect(failure.where).toBe(join(folder, train.paths[0]!));
    expect(failure.received).toMatch(received);
  });

  test('links that lead to files and folders are followed; what nobody wants is not looked at', async () => {
    const folder = photos();
    renameSync(join(folder, 'a'), join(folder, '..', 'elsewhere'));
    symlinkSync('../elsewhere', join(folder, 'a'));
    symlinkSync('../../elsewhere/0.jpg', join(folder, 'b', '9.jpg'));
    symlinkSync('user@host.123', join(folder, '.#notes'));
    symlinkSync('nowhere', join(folder, 'notes.txt'));
    execFileSync('mkfifo', [join(folder, 'pipe')]);
    const { train, val, test: held } = await open(folder);
    expect(train.length + (val?.length ?? 0) + held.length).toBe(9);
  });
});

describe('without the permission', () => {
  const entry = pathToFileURL(createRequire(import.meta.url).resolve('@kora-bench/datasets')).href;

  /** The message of an open in a process that is not root: root may read everything. */
  function messageOf(call: string): string {
    const script = `
      import * as datasets from ${JSON.stringify(entry)};
      if (process.geteuid() === 0) process.seteuid(65534);
      await (${call}).then(() => console.log('opened'), (error) => console.log(error.explain?.() ?? error.stack));
    `;
    return execFileSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' });
  }

  const opening = (path: string) =>
    `datasets.openFolderDataset(${JSON.stringify(path)}, { dataDir: '', cacheDir: '/nowhere' })`;

  /** Photos that anybody may read. */
  function openPhotos(): string {
    const folder = photos();
    chmodSync(join(folder, '..'), 0o755);
    return folder;
  }

  test.each([
    ['to read a file', 'a/1.jpg'],
    ['to list a folder', 'b'],
    ['to enter the folder itself', ''],
  ])('%s, it is named, and permissions are the advice', (_, path) => {
    const folder = openPhotos();
    chmodSync(join(folder, path), 0o000);
    const message = messageOf(opening(folder));
    expect(message).toContain(`where:    ${join(folder, path)}\n`);
    expect(message).toMatch(/received: permission denied\n {2}fix: +Check the permissions/);
  });

  test('to an archive, and to the data folder: likewise, and the advice is not to download', () => {
    const folder = openPhotos();
    writeFileSync(join(folder, 'more.zip'), image);
    chmodSync(join(folder, 'more.zip'), 0o000);
    expect(messageOf(opening(join(folder, 'more.zip')))).toMatch(/more\.zip\n[\s\S]*Check the permissions/);
    chmodSync(folder, 0o000);
    for (const { name } of [cifar10, tinyImageNet]) {
      const found = `datasets.datasets.find(({ name }) => name === '${name}')`;
      const message = messageOf(
        `${found}.open({ dataDir: ${JSON.stringify(folder)}, cacheDir: '/nowhere' })`,
      );
      expect(message).toMatch(/Check the permissions/);
      expect(message).not.toMatch(/[Dd]ownload/);
    }
  });
});

test.each([
  ['nothing', 'absent', /Correct the path/],
  ['a file in the place of a folder', 'a/1.jpg/x', /Correct the path/],
  ['an image', 'a/1.jpg', /Give the folder/],
  ['too long a name', 'x'.repeat(300), /Shorten the path/],
])('%s as the data set: said so', async (_, path, fix) => {
  const failure = await failureOf(open(join(photos(), path)));
  expect(failure.fix).toMatch(fix);
});
