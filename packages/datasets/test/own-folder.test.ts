import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ImageSplit } from '@kora-bench/core/data';
import { FormatError, MissingDataError } from '@kora-bench/core/errors';
import { folderDataset, openFolderDataset } from '@kora-bench/datasets';
import { beforeAll, describe, expect, test } from 'vitest';
import { type Files, tarGzOf, tarOf, zipOf } from './support/archives.js';
import { failureOf } from './support/failure-of.js';
import { greyPng, imageOf, palettePng } from './support/pixel-files.js';
import { writeFiles } from './support/place-files.js';
import { preprocessing } from './support/synthetic-split.js';
import { temporaryFolder } from './support/temporary-folder.js';

let image: Uint8Array;
const formats = ['jpeg', 'png', 'webp', 'gif', 'tiff'] as const;
const inFormat = new Map<string, Uint8Array>();

beforeAll(async () => {
  image = await imageOf('jpeg', 8, 10, 90);
  for (const format of formats) inFormat.set(format, await imageOf(format, 8, 10, 200));
});

const text = (content: string) => Buffer.from(content);
const masked = (index: number) => palettePng(new Uint8Array(80).fill(index), 8, 10);
const measured = (units: number) => greyPng(new Uint16Array(80).fill(units), 8, 10);

/** A folder of these files, or the path of an archive of them. */
function placed(files: Files, as: 'folder' | 'zip' | 'tar' = 'folder'): string {
  const folder = join(temporaryFolder(), 'mine');
  mkdirSync(folder);
  if (as === 'folder') {
    writeFiles(folder, files);
    return folder;
  }
  writeFileSync(`${folder}.${as}`, as === 'zip' ? zipOf(files) : tarOf(files));
  return `${folder}.${as}`;
}

const open = (path: string) => openFolderDataset(path, { dataDir: '', cacheDir: temporaryFolder() });

async function readAll(split: ImageSplit) {
  const reader = await split.open({ ...preprocessing(8), imageSize: [8, 10] });
  try {
    return await reader.read([...split.paths.keys()]);
  } finally {
    await reader.close();
  }
}

const labelled = (splits: readonly string[], classes = ['cat', 'dog'], perClass = 2): Files =>
  new Map(
    splits.flatMap((split) =>
      classes.flatMap((name) =>
        Array.from({ length: perClass }, (_, i): [string, Uint8Array] => [`${split}${name}/${i}.jpg`, image]),
      ),
    ),
  );

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
    const whole = await imageOf(
      'jpeg',
      64,
      80,
      Uint8Array.from({ length: 64 * 80 * 3 }, (_, i) => (i * 7919) % 251),
    );
    const cut = whole.subarray(0, whole.length * 0.6);
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

describe('images and masks', () => {
  const files = (): Map<string, Uint8Array> =>
    new Map([
      ['images/a.jpg', image],
      ['images/b.jpg', image],
      ['masks/a.png', masked(1)],
      ['masks/b.png', masked(255)],
    ]);

  test('with classes.txt', async () => {
    const {
      train,
      val,
      test: held,
    } = await open(
      placed(
        new Map([
          ...files(),
          ...[...Array(8).keys()].flatMap(
            (i) =>
              [
                [`images/${i}.jpg`, image],
                [`masks/${i}.png`, masked(i % 3)],
              ] as const,
          ),
          ['classes.txt', text('sky\nsea\n\nsand\n')],
        ]),
      ),
    );
    expect(train.targets.mask!.classNames).toEqual(['sky', 'sea', 'sand']);
    expect([train.length, val!.length, held.length]).toEqual([7, 1, 2]);
    const { mask } = await readAll(train);
    const at = train.paths.indexOf('images/a.jpg');
    if (at >= 0) expect(mask![at * 80]).toBe(1);
  });

  test('in splits, without classes.txt: as many classes as the largest index asks for', async () => {
    const split = (name: string) =>
      [...files()].map(([path, bytes]): [string, Uint8Array] => [`${name}/${path}`, bytes]);
    const path = placed(
      new Map([...split('train'), ...split('test'), ['test/masks/b.png', masked(4)]]),
      'zip',
    );
    const { train, test: held } = await open(path);
    expect(train.targets.mask!.classNames).toEqual(['class 0', 'class 1', 'class 2', 'class 3', 'class 4']);
    expect((await readAll(train)).mask!.filter((_, i) => i % 80 === 0)).toEqual(Int32Array.from([1, -1]));
    expect((await readAll(held)).mask![80]).toBe(4);
  });

  test('the number of classes is kept until a mask changes; folders in folders are pairs too', async () => {
    const deep = new Map([...files()].map(([path, bytes]) => [path.replace('/', '/street/'), bytes]));
    deep.set('images/c.jpg', image).set('masks/c.png', masked(0));
    const path = placed(deep);
    const context = { dataDir: '', cacheDir: temporaryFolder() };
    const classes = async () =>
      (await openFolderDataset(path, context)).train.targets.mask!.classNames.length;
    expect(await classes()).toBe(2);
    const kept = join(context.cacheDir, 'mask-classes');
    expect(readdirSync(kept)).toHaveLength(1);
    expect(await classes()).toBe(2);
    writeFileSync(join(path, 'masks/street/a.png'), masked(6));
    expect(await classes()).toBe(7);
    writeFileSync(join(kept, readdirSync(kept)[0]!), 'damaged');
    writeFileSync(join(kept, readdirSync(kept)[1]!), 'damaged');
    expect(await classes()).toBe(7);
  });

  test('dataset.json names the values without a class', async () => {
    const more = files().set('dataset.json', text('{"unlabelled": [1, 255]}')).set('images/c.jpg', image);
    const { train } = await open(placed(more.set('masks/c.png', masked(0))));
    expect(train.targets.mask!.classNames).toEqual(['class 0']);
  });

  test.each([
    [
      'an image without its mask',
      (all: Map<string, Uint8Array>) => all.delete('masks/b.png'),
      /images\/b\.jpg[\s\S]*masks\/b\.png/,
    ],
    [
      'no masks',
      (all: Map<string, Uint8Array>) => {
        all.delete('masks/a.png');
        all.delete('masks/b.png');
      },
      /images\/ without masks\//,
    ],
    [
      'an empty classes.txt',
      (all: Map<string, Uint8Array>) => all.set('classes.txt', text('\n')),
      /classes\.txt[\s\S]*no lines/,
    ],
    [
      'a damaged mask',
      (all: Map<string, Uint8Array>) => all.set('masks/b.png', masked(1).subarray(0, 60)),
      /masks\/b\.png[\s\S]*whole PNG/,
    ],
    [
      'settings of another kind',
      (all: Map<string, Uint8Array>) => all.set('dataset.json', text('{"scales": 1}')),
      /dataset\.json[\s\S]*scales/,
    ],
    [
      'settings that are no JSON',
      (all: Map<string, Uint8Array>) => all.set('dataset.json', text('{')),
      /dataset\.json/,
    ],
  ])('%s is named', async (_, change, message) => {
    const changed = files();
    change(changed);
    const failure = await failureOf(open(placed(changed)));
    expect(failure).toBeInstanceOf(FormatError);
    expect(failure.explain()).toMatch(message);
  });
});

describe('images and depth', () => {
  const files = (): Map<string, Uint8Array> =>
    new Map(
      ['train', 'val', 'test'].flatMap((split, i) => [
        [`${split}/rgb/frame-0.color.jpg`, image] as const,
        [`${split}/depth/frame-0.depth.png`, measured(1500 * (i + 1))] as const,
      ]),
    );

  test('millimetres by default; names may say what a file is', async () => {
    const { train, val, test: held } = await open(placed(files(), 'zip'));
    expect(train.targets).toEqual({ depth: {} });
    const metres = await Promise.all(
      [train, val!, held].map(async (split) => (await readAll(split)).depth![0]),
    );
    expect(metres).toEqual([1.5, 3, 4.5]);
  });

  test('dataset.json gives another scale and the largest depth', async () => {
    const settings = text('{"scale": 0.002, "maximum": 6}');
    const { train, test: held } = await open(placed(files().set('dataset.json', settings)));
    expect(train.targets).toEqual({ depth: { maximum: 6 } });
    expect((await readAll(train)).depth![0]).toBe(3);
    expect((await readAll(held)).depth![0]).toBe(0);
  });

  test('an image without depth is named', async () => {
    const cut = files();
    cut.delete('val/depth/frame-0.depth.png');
    cut.set('val/depth/frame-1.depth.png', measured(1));
    expect((await failureOf(open(placed(cut)))).where).toMatch(/val\/rgb\/frame-0\.color\.jpg$/);
  });
});

describe('a table of values', () => {
  const images = (count: number) =>
    Array.from({ length: count }, (_, i): [string, Uint8Array] => [`faces/${i}.jpg`, image]);

  test('one table for all images', async () => {
    const lines = Array.from({ length: 20 }, (_, i) => `faces/${i}.jpg,${i},"${-i / 2}"`);
    const path = placed(
      new Map([...images(20), ['values.csv', text(`path,age,pose\r\n${lines.join('\r\n')}`)]]),
      'zip',
    );
    const { train, val, test: held } = await open(path);
    expect([train.length, val!.length, held.length]).toEqual([15, 1, 4]);
    const { names, values } = held.targets.value!;
    expect(names).toEqual(['age', 'pose']);
    held.paths.forEach((file, i) => {
      const age = Number(/(\d+)\.jpg$/.exec(file)![1]);
      expect([...values.subarray(2 * i, 2 * i + 2)]).toEqual([age, 0 - age / 2]);
    });
  });

  test('a table for each split, or one for all of them', async () => {
    const split = (name: string) => [`${name}/a.jpg`, image] as const;
    const each = new Map([
      split('train'),
      split('test'),
      ['train/values.csv', text('path,x\na.jpg,1')],
      ['test/values.csv', text('path,x\na.jpg,2')],
    ]);
    const one = new Map([
      split('train'),
      split('test'),
      ['values.csv', text('path,x\ntest/a.jpg,2\ntrain/a.jpg,1')],
    ]);
    for (const files of [each, one]) {
      const { train, test: held } = await open(placed(files));
      expect([...train.targets.value!.values, ...held.targets.value!.values]).toEqual([1, 2]);
      expect(held.paths).toEqual(['test/a.jpg']);
    }
  });

  test.each([
    ['no header', 'faces/0.jpg,1', /first line/],
    ['one column', 'path\nfaces/0.jpg', /first line/],
    ['no lines', 'path,age\n', /no line/],
    ['a word', 'path,age\nfaces/0.jpg,old', /line 2[\s\S]*finite number for age[\s\S]*"old"/],
    ['an empty cell', 'path,age\nfaces/0.jpg,', /line 2/],
    ['a missing image', 'path,age\nfaces/9.jpg,3', /line 2[\s\S]*faces\/9\.jpg/],
    ['an image twice', 'path,age\nfaces/0.jpg,3\nfaces/0.jpg,4', /line 3[\s\S]*again/],
    ['a line too long', 'path,age\nfaces/0.jpg,3,4', /values\.csv/],
    ['a number beyond 32 bits', 'path,age\nfaces/0.jpg,5e39', /line 2[\s\S]*3\.4e38/],
  ])('%s is named with its line', async (_, table, message) => {
    const failure = await failureOf(open(placed(new Map([...images(2), ['values.csv', text(table)]]))));
    expect(failure).toBeInstanceOf(FormatError);
    expect(failure.explain()).toMatch(message);
  });
});
