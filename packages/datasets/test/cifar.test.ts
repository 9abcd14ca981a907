import { existsSync, mkdirSync, readdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { FormatError, MissingDataError } from '@kora-bench/core/errors';
import { cifar10, cifar100 } from '@kora-bench/datasets';
import { expect, test } from 'vitest';
import { type Files, tarGzOf, tarOf } from './support/archives.js';
import { failureOf } from './support/failure-of.js';
import { preprocessing } from './support/synthetic-split.js';
import { temporaryFolder } from './support/temporary-folder.js';

/** Records with these labels; red is the record's number, green 100, blue 200. */
function records(labels: number[][]): Uint8Array {
  return Buffer.concat(
    labels.map((label, i) =>
      Buffer.concat([
        Buffer.from(label),
        Buffer.alloc(1024, i),
        Buffer.alloc(1024, 100),
        Buffer.alloc(1024, 200),
      ]),
    ),
  );
}

const names = (count: number) => Buffer.from(Array.from({ length: count }, (_, i) => `class${i}\n`).join(''));

const cifar100Files: Files = new Map<string, Uint8Array>([
  [
    'cifar-100-binary/train.bin',
    records([
      [7, 99],
      [0, 3],
      [1, 0],
    ]),
  ],
  ['cifar-100-binary/test.bin', records([[2, 50]])],
  ['cifar-100-binary/fine_label_names.txt', names(100)],
  ['cifar-100-binary/coarse_label_names.txt', names(20)],
]);

function archiveContext(name: string, content: Uint8Array) {
  const dataDir = temporaryFolder();
  writeFileSync(join(dataDir, name), content);
  return { dataDir, cacheDir: temporaryFolder() };
}

test('CIFAR-100: fine labels and pixels, from the archive and from the folder', async () => {
  const context = archiveContext('cifar-100-binary.tar.gz', tarGzOf(cifar100Files));
  const packed = await cifar100.open(context);
  expect([...packed.train.targets.label!.labels]).toEqual([99, 3, 0]);
  expect([...packed.test.targets.label!.labels]).toEqual([50]);
  expect(packed.train.targets.label!.classNames[99]).toBe('class99');
  const reader = await packed.train.open(preprocessing(32));
  const { pixels } = await reader.read([2, 1]);
  await reader.close();
  expect([...pixels.subarray(0, 3)]).toEqual([2, 100, 200]);
  expect([...pixels.subarray(32 * 32 * 3 - 3, 32 * 32 * 3 + 3)]).toEqual([2, 100, 200, 1, 100, 200]);

  const dataDir = temporaryFolder();
  mkdirSync(join(dataDir, 'cifar-100-binary'));
  for (const [path, bytes] of cifar100Files) writeFileSync(join(dataDir, path), bytes);
  const unpacked = await cifar100.open({ dataDir, cacheDir: context.cacheDir });
  expect(unpacked.train.fingerprint).toBe(packed.train.fingerprint);
});

test('CIFAR-10: the five training files in order', async () => {
  const files = new Map<string, Uint8Array>([['cifar-10-batches-bin/batches.meta.txt', names(10)]]);
  for (let i = 1; i <= 5; i++) files.set(`cifar-10-batches-bin/data_batch_${i}.bin`, records([[i], [0]]));
  files.set('cifar-10-batches-bin/test_batch.bin', records([[9]]));
  const { train, test: held } = await cifar10.open(archiveContext('cifar-10-binary.tgz', tarGzOf(files)));
  expect([...train.targets.label!.labels]).toEqual([1, 0, 2, 0, 3, 0, 4, 0, 5, 0]);
  expect([...held.targets.label!.labels]).toEqual([9]);
  expect(train.paths[9]).toBe('data_batch_5.bin/1');
  expect(new Set(await train.contentHashes()).size).toBe(2);
});

test('a damaged unpacked copy in the cache is made again', async () => {
  const context = archiveContext('cifar-100-binary.tar.gz', tarGzOf(cifar100Files));
  await cifar100.open(context);
  const unpacked = join(context.cacheDir, 'unpacked');
  truncateSync(join(unpacked, readdirSync(unpacked)[0]!, 'train.bin'), 5);
  const { train } = await cifar100.open(context);
  expect(train.length).toBe(3);
});

test('the archive is read without a writable cache folder', async () => {
  const context = archiveContext('cifar-100-binary.tar.gz', tarGzOf(cifar100Files));
  rmSync(context.cacheDir, { recursive: true });
  writeFileSync(context.cacheDir, 'a file in the place of the folder');
  const { train } = await cifar100.open(context);
  expect(train.length).toBe(3);
});

test('missing data: what to download and where to put it', async () => {
  const failure = await failureOf(cifar10.open({ dataDir: temporaryFolder(), cacheDir: temporaryFolder() }));
  expect(failure).toBeInstanceOf(MissingDataError);
  expect(failure.fix).toContain('https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz');
});

test('an archive that a browser has unzipped is read, whether its name says so or not', async () => {
  for (const name of ['cifar-100-binary.tar', 'cifar-100-binary.tar.gz']) {
    const { train } = await cifar100.open(archiveContext(name, tarOf(cifar100Files)));
    expect(train.length).toBeGreaterThan(0);
  }
});

test('an archive compressed in another way is named with the command that unpacks it', async () => {
  const bytes = Buffer.concat([Buffer.from('\xfd7zXZ\0', 'latin1'), Buffer.alloc(600)]);
  const failure = await failureOf(cifar100.open(archiveContext('cifar-100-binary.tar.xz', bytes)));
  expect(failure.received).toMatch(/compressed by xz/);
  expect(failure.fix).toMatch(/tar -xf cifar-100-binary\.tar\.xz/);
});

test.each([
  ['truncated', (bytes: Buffer) => bytes.subarray(0, bytes.length >> 1)],
  ['not gzip', (bytes: Buffer) => Buffer.alloc(bytes.length, 'x')],
])('an archive that is %s is named, and leaves nothing behind', async (_, damage) => {
  const context = archiveContext('cifar-100-binary.tar.gz', damage(tarGzOf(cifar100Files)));
  const failure = await failureOf(cifar100.open(context));
  expect(failure).toBeInstanceOf(FormatError);
  expect(failure.where).toBe(join(context.dataDir, 'cifar-100-binary.tar.gz'));
  const unpacked = join(context.cacheDir, 'unpacked');
  expect(existsSync(unpacked) ? readdirSync(unpacked) : []).toEqual([]);
});

test.each([
  ['a wrong size', 'train.bin', /multiple of 3074/, records([[0, 1]]).subarray(1)],
  [
    'a label out of range',
    'train.bin',
    /record 1[\s\S]*received: 100/,
    records([
      [0, 1],
      [0, 100],
    ]),
  ],
  ['class names cut short', 'fine_label_names.txt', /100 lines/, names(99)],
])('%s in a file is refused', async (_, file, message, bytes) => {
  const files = new Map(cifar100Files).set(`cifar-100-binary/${file}`, bytes);
  const failure = await failureOf(cifar100.open(archiveContext('cifar-100-binary.tar.gz', tarGzOf(files))));
  expect(failure).toBeInstanceOf(FormatError);
  expect(failure.where).toContain(file);
  expect(failure.explain()).toMatch(message);
});

test('an archive without a file of the data set is refused', async () => {
  const files = new Map(cifar100Files);
  files.delete('cifar-100-binary/test.bin');
  const failure = await failureOf(cifar100.open(archiveContext('cifar-100-binary.tar.gz', tarGzOf(files))));
  expect(failure.received).toContain('test.bin');
});
