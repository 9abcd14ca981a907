import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { FormatError, MissingDataError } from '@kora-bench/core/errors';
import { tinyImageNet } from '@kora-bench/datasets';
import sharp from 'sharp';
import { beforeAll, describe, expect, test } from 'vitest';
import { zipOf } from './support/archives.js';
import { failureOf } from './support/failure-of.js';
import { preprocessing } from './support/synthetic-split.js';
import { temporaryFolder } from './support/temporary-folder.js';

const wnids = ['n00000002', 'n00000001'];
const files = new Map<string, Uint8Array>();

beforeAll(async () => {
  const text = (path: string, lines: string[]) => files.set(path, Buffer.from(`${lines.join('\n')}\n`));
  const image = async (path: string, level: number) => {
    const create = { width: 64, height: 64, channels: 3, background: { r: level, g: 128, b: 0 } } as const;
    files.set(path, new Uint8Array(await sharp({ create }).jpeg().toBuffer()));
  };
  text('wnids.txt', wnids);
  text('words.txt', ['n00000001\tgoldfish, Carassius auratus', 'n00000002\treel']);
  text('val/val_annotations.txt', ['val_1.JPEG\tn00000001\t0\t0\t9\t9', 'val_0.JPEG\tn00000002\t0\t0\t9\t9']);
  for (const wnid of wnids) {
    for (const i of [10, 9, 0]) await image(`train/${wnid}/images/${wnid}_${i}.JPEG`, i * 20);
    text(`train/${wnid}/${wnid}_boxes.txt`, ['not read']);
  }
  await image('val/images/val_0.JPEG', 250);
  await image('val/images/val_1.JPEG', 30);
  await image('test/images/test_0.JPEG', 30);
});

function contextOf(content: ReadonlyMap<string, Uint8Array>, as: 'zip' | 'folder') {
  const dataDir = temporaryFolder();
  if (as === 'zip') {
    const rooted = new Map([...content].map(([path, bytes]) => [`tiny-imagenet-200/${path}`, bytes]));
    writeFileSync(join(dataDir, 'tiny-imagenet-200.zip'), zipOf(rooted));
  } else {
    for (const [path, bytes] of content) {
      const target = join(dataDir, 'tiny-imagenet-200', path);
      mkdirSync(dirname(target), { recursive: true });
      writeFileSync(target, bytes);
    }
  }
  return { dataDir, cacheDir: temporaryFolder() };
}

test('labels follow wnids.txt, examples the directory, names words.txt', async () => {
  const { train, test: held } = await tinyImageNet.open(contextOf(files, 'zip'));
  expect(train.targets.label!.classNames).toEqual(['reel', 'goldfish, Carassius auratus']);
  expect(train.paths).toEqual([
    'train/n00000001/images/n00000001_0.JPEG',
    'train/n00000001/images/n00000001_10.JPEG',
    'train/n00000001/images/n00000001_9.JPEG',
    'train/n00000002/images/n00000002_0.JPEG',
    'train/n00000002/images/n00000002_10.JPEG',
    'train/n00000002/images/n00000002_9.JPEG',
  ]);
  expect([...train.targets.label!.labels]).toEqual([1, 1, 1, 0, 0, 0]);
  expect(held.paths).toEqual(['val/images/val_0.JPEG', 'val/images/val_1.JPEG']);
  expect([...held.targets.label!.labels]).toEqual([0, 1]);
  expect(train.notes.join()).toMatch(/pre-trained on ImageNet/);
});

test('a folder and a zip archive of the same files are the same data', async () => {
  const zip = await tinyImageNet.open(contextOf(files, 'zip'));
  const context = contextOf(files, 'folder');
  const folder = await tinyImageNet.open(context);
  const again = await tinyImageNet.open(context);
  expect(folder.train.fingerprint).toBe(zip.train.fingerprint);
  expect(again.test.fingerprint).toBe(zip.test.fingerprint);
  expect(await folder.test.contentHashes()).toEqual(await zip.test.contentHashes());
  const read = async (split: typeof zip.test) => {
    const reader = await split.open(preprocessing(16));
    const { pixels } = await reader.read([1, 0]);
    await reader.close();
    return pixels;
  };
  const pixels = await read(zip.test);
  expect(pixels).toEqual(await read(folder.test));
  expect(pixels[0]).toBeCloseTo(30, -1);
  expect(pixels[16 * 16 * 3]).toBeCloseTo(250, -1);
});

test('missing data: what to download and where to put it', async () => {
  const dataDir = temporaryFolder();
  const failure = await failureOf(tinyImageNet.open({ dataDir, cacheDir: temporaryFolder() }));
  expect(failure).toBeInstanceOf(MissingDataError);
  expect(failure.where).toBe(dataDir);
  expect(failure.fix).toContain('http://cs231n.stanford.edu/tiny-imagenet-200.zip');
});

test('a truncated archive is named', async () => {
  const context = contextOf(files, 'zip');
  const path = join(context.dataDir, 'tiny-imagenet-200.zip');
  const whole = zipOf(files);
  writeFileSync(path, whole.subarray(0, whole.length - 100));
  const failure = await failureOf(tinyImageNet.open(context));
  expect(failure).toBeInstanceOf(FormatError);
  expect(failure.where).toBe(path);
});

test.each([
  ['n00000002_10', 'deflated'],
  ['n00000001_9', 'stored'],
])('a damaged entry %s (%s) is named when it is read, and by verify', async (name) => {
  const context = contextOf(files, 'zip');
  const path = join(context.dataDir, 'tiny-imagenet-200.zip');
  const entry = `images/${name}.JPEG`;
  const archive = zipOf(new Map([...files].map(([file, bytes]) => [`tiny-imagenet-200/${file}`, bytes])));
  archive.fill(0x55, archive.indexOf(entry) + entry.length + 20, archive.indexOf(entry) + entry.length + 60);
  writeFileSync(path, archive);
  const { train } = await tinyImageNet.open(context);
  const reader = await train.open(preprocessing(16));
  const failure = await failureOf(reader.read(train.paths.map((_, i) => i)));
  await reader.close();
  expect(failure).toBeInstanceOf(FormatError);
  expect(failure.where).toContain(`${path}: train/`);
  expect(failure.where).toContain(entry);
  const check = await tinyImageNet.verify(context);
  expect(check.ok).toBe(false);
  expect(check.problems.join('\n')).toContain(entry);
});

test('an image that is cut short is named', async () => {
  const path = 'train/n00000002/images/n00000002_0.JPEG';
  const image = files.get(path)!;
  const cut = new Map(files).set(path, image.subarray(0, image.length - 80));
  const { train } = await tinyImageNet.open(contextOf(cut, 'folder'));
  const reader = await train.open(preprocessing(16));
  const failure = await failureOf(reader.read([3]));
  await reader.close();
  expect(failure).toBeInstanceOf(FormatError);
  expect(failure.where).toContain(path);
});

test.each([
  ['a class without training images', /n00000001/, (path: string) => !path.startsWith('train/n00000001')],
  ['a missing validation image', /2 images/, (path: string) => path !== 'val/images/val_1.JPEG'],
  ['no words.txt', /words\.txt/, (path: string) => path !== 'words.txt'],
])('an incomplete copy is refused: %s', async (_, message, keep) => {
  const part = new Map([...files].filter(([path]) => keep(path)));
  const failure = await failureOf(tinyImageNet.open(contextOf(part, 'folder')));
  expect(failure).toBeInstanceOf(FormatError);
  expect(failure.explain()).toMatch(message);
});

describe('validation images that a script has sorted into folders of classes', () => {
  const sorted = (change: (path: string) => string, keep: (path: string) => boolean = () => true) =>
    new Map([...files].filter(([path]) => keep(path)).map(([path, bytes]) => [change(path), bytes]));
  const classOf = { 'val_0.JPEG': 'n00000002', 'val_1.JPEG': 'n00000001' } as Record<string, string>;
  const intoClass = (path: string) =>
    path.replace(/^val\/images\/(.*)$/, (_, name: string) => `val/${classOf[name]}/${name}`);
  const intoClassImages = (path: string) =>
    path.replace(/^val\/images\/(.*)$/, (_, name: string) => `val/${classOf[name]}/images/${name}`);
  const unlisted = (path: string) => path !== 'val/val_annotations.txt';

  test.each([
    ['with the list', () => sorted(intoClass)],
    ['without the list', () => sorted(intoClass, unlisted)],
    ['with a folder images in each', () => sorted(intoClassImages, unlisted)],
    [
      'with training images flat as well',
      () => sorted((path) => intoClass(path).replace(/^(train\/\w+)\/images/, '$1')),
    ],
    ['copied, the originals still there', () => new Map([...files, ...sorted(intoClass)])],
  ])('%s: the same data set', async (_, content) => {
    const official = await tinyImageNet.open(contextOf(files, 'folder'));
    for (const as of ['folder', 'zip'] as const) {
      const found = await tinyImageNet.open(contextOf(content(), as));
      expect(found.test.fingerprint).toBe(official.test.fingerprint);
      expect(found.train.fingerprint).toBe(official.train.fingerprint);
      expect([...found.test.targets.label!.labels]).toEqual([0, 1]);
    }
  });

  test('in the folder of another class: refused', async () => {
    const wrong = sorted((path) => path.replace('val/images/val_0', 'val/n00000001/val_0'));
    const failure = await failureOf(tinyImageNet.open(contextOf(wrong, 'folder')));
    expect(failure.where).toContain('val/n00000001/val_0.JPEG');
    expect(failure.expected).toContain('n00000002');
  });
});

test('a validation image without a label is refused', async () => {
  const more = new Map(files).set('val/images/val_7.JPEG', files.get('val/images/val_0.JPEG')!);
  const failure = await failureOf(tinyImageNet.open(contextOf(more, 'zip')));
  expect(failure.where).toContain('val_7.JPEG');
});

test('verify finds whole data in order', async () => {
  const check = await tinyImageNet.verify(contextOf(files, 'zip'));
  expect(check.problems).toEqual([]);
  expect(check.ok).toBe(true);
  expect(check.details.join('\n')).toMatch(/train: 6 images, 2 classes, 3 a class/);
});
