import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { FormatError, MissingDataError } from '@kora-bench/core/errors';
import { folderDataset } from '@kora-bench/datasets';
import { beforeAll, describe, expect, test } from 'vitest';
import { type Files, tarGzOf } from './support/archives.js';
import { failureOf } from './support/failure-of.js';
import { imageOf } from './support/pixel-files.js';
import { open, placed, readAll, text } from './support/placed-folder.js';
import { preprocessing } from './support/synthetic-split.js';
import { temporaryFolder } from './support/temporary-folder.js';

let image: Uint8Array;
const formats = ['jpeg', 'png', 'webp', 'gif', 'tiff'] as const;
const inFormat = new Map<string, Uint8Array>();

beforeAll(async () => {
  image = await imageOf('jpeg', 8, 10, 90);
  for (const format of formats) inFormat.set(format, await imageOf(format, 8, 10, 200));
});

const labelled = (splits: readonly string[], classes = ['cat', 'dog'], perClass = 2): Files =>
  new Map(
    splits.flatMap((split) =>
      classes.flatMap((name) =>
        Array.from({ length: perClass }, (_, i): [string, Uint8Array] => [`${split}${name}/${i}.jpg`, image]),
      ),
    ),
  );

/** A JPEG file that takes a while to decode, and one of which two fifths are missing. */
async function detailed(): Promise<{ whole: Uint8Array; cut: Uint8Array }> {
  const pixels = Uint8Array.from({ length: 64 * 80 * 3 }, (_, i) => (i * 7919) % 251);
  const whole = await imageOf('jpeg', 64, 80, pixels);
  return { whole, cut: whole.subarray(0, whole.length * 0.6) };
}

describe('one folder for each class', () => {
  test.each(['folder', 'zip', 'tar'] as const)(
    'with splits, in a %s around which lies another',
    async (as) => {
      const files = labelled(['pets/train/', 'pets/val/', 'pets/test/']);
      const { name, train, val, test: held } = await open(placed(files, as));
      expect(name).toBe('mine');
      expect(train.targets.label!.classNames).toEqual(['cat', 'dog']);
      expect([...train.targets.label!.labels]).toEqual([0, 0, 1, 1]);
      expect(train.paths[0]).toBe('train/cat/0.jpg');
      expect([val!.split, val!.paths[3]]).toEqual(['val', 'val/dog/1.jpg']);
      expect([held.split, held.paths[3]]).toEqual(['test', 'test/dog/1.jpg']);
      expect((await readAll(held)).pixels[0]).toBeCloseTo(90, -1);
    },
  );

  test('the class is the folder below the split, not the one around the image', async () => {
    const files = labelled(['train/', 'test/'], ['n01/images', 'n02/images']);
    const { train } = await open(placed(files));
    expect(train.targets.label!.classNames).toEqual(['n01', 'n02']);
  });

  test('images beside the class folders are left out, and that is noted', async () => {
    const { train } = await open(placed(new Map([...labelled(['train/', 'test/']), ['train/x.jpg', image]])));
    expect(train.length).toBe(4);
    expect(train.notes.join()).toMatch(/Left out: 1 image in train\/ itself, in the folder of no class/);
  });

  test('without test, val serves as test and says so', async () => {
    const { val, test: held } = await open(placed(labelled(['train/', 'valid/'])));
    expect(val).toBeUndefined();
    expect([held.split, held.length]).toEqual(['test', 4]);
    expect(held.notes.join()).toMatch(/valid\/ serve as test/);
  });

  test('without splits, test and val are set aside by class, the same each time', async () => {
    const path = placed(labelled([''], ['a', 'b', 'c'], 20));
    const [first, again] = [await open(path), await open(path)];
    expect([first.train.length, first.val!.length, first.test.length]).toEqual([45, 3, 12]);
    expect(again.test.paths).toEqual(first.test.paths);
    const paths = [...first.train.paths, ...first.val!.paths, ...first.test.paths];
    expect(new Set(paths).size).toBe(60);
    expect(first.train.notes.join()).toMatch(/no test split[\s\S]*no validation split/);
  });

  test('classes may be called as splits are: cars, trains and ships', async () => {
    const { train, test: held } = await open(placed(labelled([''], ['car', 'train', 'ship'], 5)));
    expect(train.targets.label!.classNames).toEqual(['car', 'ship', 'train']);
    expect(held.length).toBe(3);
  });

  test.each(['images', 'my photos/images', 'data'])(
    'in the folder %s: read as if it were not there',
    async (around) => {
      const { train } = await open(placed(labelled([`${around}/`], ['été', "it's 100 % mine (2)"], 5)));
      expect(train.targets.label!.classNames).toEqual(["it's 100 % mine (2)", 'été']);
    },
  );

  test('what systems and editors leave behind is no data, also where it looks like an image', async () => {
    const junk = [
      '._0.jpg',
      '.DS_Store',
      'Thumbs.db',
      'desktop.ini',
      '~$0.jpg',
      '0.jpg.lock',
      '@eaDir/0.jpg/x.jpg',
    ];
    const left = [...junk.map((name) => `cat/${name}`), '__MACOSX/cat/._0.jpg', '.ipynb_checkpoints/0.jpg'];
    const files = new Map([
      ...labelled([''], ['cat', 'dog'], 5),
      ...left.map((path) => [path, text('x')] as const),
    ]);
    for (const as of ['folder', 'zip', 'tar'] as const) {
      const { train, val, test: held } = await open(placed(files, as));
      expect(train.targets.label!.classNames).toEqual(['cat', 'dog']);
      expect(train.length + val!.length + held.length).toBe(10);
    }
  });

  test('images that are left out are counted, and one is named', async () => {
    const files = labelled(['train/', 'test/']);
    const more = new Map([
      ...files,
      ['train/cat/a.heic', text('x')],
      ['train/dog/b.AVIF', text('x')],
      ['extra/a.jpg', image],
    ]);
    const { train } = await open(placed(more));
    expect(train.length).toBe(4);
    const notes = train.notes.join('\n');
    expect(notes).toMatch(/Left out: 2 images in a format that is not read, e\.g\. train\/cat\/a\.heic/);
    expect(notes).toMatch(/Left out: 1 image outside of test\/, train\/, e\.g\. extra\/a\.jpg/);
  });

  test('a class of images in another format alone is refused with what there is', async () => {
    const files = new Map([...labelled(['']), ['newt/a.heic', text('x')]]);
    const failure = await failureOf(open(placed(files)));
    expect(failure.received).toMatch(/newt\/a\.heic/);
    expect(failure.fix).toMatch(/PNG or JPEG/);
  });

  test('images that are cut short are refused, or read as far as they go where dataset.json says so', async () => {
    const { cut } = await detailed();
    const files = new Map([...labelled(['train/', 'test/']), ['train/cat/0.jpg', cut]]);
    const strict = await open(placed(files));
    const failure = await failureOf(readAll(strict.train));
    expect(failure.where).toMatch(/train\/cat\/0\.jpg/);
    expect(failure.fix).toMatch(/"truncated": true/);
    const { train } = await open(placed(new Map([...files, ['dataset.json', text('{"truncated": true}')]])));
    expect((await readAll(train)).pixels).toHaveLength(4 * 240);
    expect(train.notes.join()).toMatch(/cut short are read as far as they go/);
    expect(train.fingerprint).not.toBe(strict.train.fingerprint);
  });

  test('the reason that is named is that of the image, whatever is decoded at the same time', async () => {
    const { whole, cut } = await detailed();
    const images = Array.from({ length: 200 }, (_, i) => [`train/a/${i}.jpg`, i % 2 ? cut : whole] as const);
    const { train } = await open(placed(new Map([...images, ['test/a/0.jpg', whole]])));
    const reader = await train.open(preprocessing(8));
    const outcomes = await Promise.allSettled([...train.paths.keys()].map((index) => reader.read([index])));
    await reader.close();
    const reasons = outcomes.flatMap((outcome) =>
      outcome.status === 'rejected' ? [outcome.reason.received] : [],
    );
    expect(reasons).toHaveLength(100);
    expect(new Set(reasons)).toEqual(new Set(['premature end of JPEG image']));
  });

  test('verify names every image that cannot be decoded', async () => {
    const files = new Map([
      ...labelled([''], ['a', 'b'], 40),
      ['a/7.jpg', text('<!DOCTYPE html>')],
      ['b/9.jpg', text('')],
    ]);
    const folder = placed(files);
    const check = await folderDataset(folder).verify({ dataDir: '', cacheDir: temporaryFolder() });
    expect(check.ok).toBe(false);
    expect(check.problems).toHaveLength(2);
    expect(check.problems.join('\n')).toMatch(
      /a\/7\.jpg[\s\S]*a web page[\s\S]*b\/9\.jpg[\s\S]*an empty file/,
    );
  });

  test('JPEG, PNG, WebP, GIF and TIFF are decoded', async () => {
    const files = new Map([...inFormat].map(([format, bytes]) => [`train/a/x.${format}`, bytes]));
    for (const format of formats) files.set(`test/a/x.${format}`, inFormat.get(format)!);
    const { train } = await open(placed(files));
    const { pixels } = await readAll(train);
    expect(train.length).toBe(5);
    for (let i = 0; i < 5; i++) expect(pixels[i * 240]).toBeCloseTo(200, -1);
  });

  test.each([
    ['an empty folder', new Map(), /no images/],
    ['texts only', new Map([['readme.txt', text('x')]]), /no images/],
    ['images beside each other', new Map([['a.png', text('')]]), /images in the folder itself/],
    ['images in a format that is not read', new Map([['train/b/1.heic', text('')]]), /b\/1\.heic/],
    ['no train', new Map([['test/a/1.jpg', text('')]]), /test\/ but no train\//],
    [
      'val twice',
      new Map([
        ['val/a/1.jpg', text('')],
        ['valid/a/1.jpg', text('')],
        ['train/a/1.jpg', text('')],
      ]),
      /both/,
    ],
    [
      'COCO',
      new Map([
        ['coco/train2017/1.jpg', text('')],
        ['coco/val2017/2.jpg', text('')],
      ]),
      /train2017/,
    ],
  ] as [string, Files, RegExp][])('%s: what was expected', async (_, files, message) => {
    const failure = await failureOf(open(placed(files)));
    expect(failure).toBeInstanceOf(FormatError);
    expect(failure.explain()).toMatch(message);
  });

  test('a class without images is named, and so is one that training does not have', async () => {
    const path = placed(labelled(['train/', 'test/']));
    mkdirSync(join(path, 'train/empty'));
    expect((await failureOf(open(path))).where).toMatch(/train\/empty\/$/);
    const more = new Map([...labelled(['train/']), ['test/bird/1.jpg', image] as const]);
    const failure = await failureOf(open(placed(more)));
    expect(failure.explain()).toMatch(/test\/bird\/1\.jpg[\s\S]*cat, dog[\s\S]*bird/);
  });

  test('a path of nothing, and an archive without random access', async () => {
    expect(await failureOf(open(join(temporaryFolder(), 'none')))).toBeInstanceOf(MissingDataError);
    const path = join(temporaryFolder(), 'mine.tar.gz');
    writeFileSync(path, tarGzOf(labelled(['train/'])));
    expect((await failureOf(open(path))).fix).toMatch(/Unpack/);
  });

  test('as a data set it has a name and can be verified', async () => {
    const definition = folderDataset(placed(labelled(['train/', 'test/']), 'zip'));
    expect(definition.name).toBe('mine');
    const check = await definition.verify({ dataDir: '', cacheDir: temporaryFolder() });
    expect(check.problems).toEqual([]);
    expect(check.details.join('\n')).toMatch(/train: 4 images, 2 classes, 2 a class/);
  });
});
