import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { FormatError } from '@kora-bench/core/errors';
import { openFolderDataset } from '@kora-bench/datasets';
import { beforeAll, describe, expect, test } from 'vitest';
import { failureOf } from './support/failure-of.js';
import { greyPng, imageOf, palettePng } from './support/pixel-files.js';
import { open, placed, readAll, text } from './support/placed-folder.js';
import { temporaryFolder } from './support/temporary-folder.js';

let image: Uint8Array;
beforeAll(async () => {
  image = await imageOf('jpeg', 8, 10, 90);
});

const masked = (index: number) => palettePng(new Uint8Array(80).fill(index), 8, 10);
const measured = (units: number) => greyPng(new Uint16Array(80).fill(units), 8, 10);

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
