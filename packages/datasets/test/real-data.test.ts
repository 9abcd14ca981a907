import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { ImageSplit } from '@kora-bench/core/data';
import {
  camvid,
  cifar100,
  folderDataset,
  openFolderDataset,
  tinyImageNet,
  voc2012,
} from '@kora-bench/datasets';
import { describe, expect, test } from 'vitest';
import { preprocessing } from './support/synthetic-split.js';
import { temporaryFolder } from './support/temporary-folder.js';

const dataDir = process.env.KORA_DATA_DIR ?? '';
const present = dataDir !== '' && existsSync(dataDir);
const title = present ? 'real data' : 'real data (skipped: KORA_DATA_DIR names no folder)';

describe.skipIf(!present)(title, () => {
  test('Tiny ImageNet: 200 classes, balanced validation, whole files', async () => {
    const context = { dataDir, cacheDir: temporaryFolder() };
    const { train, test: held } = await tinyImageNet.open(context);
    expect(train.targets.label!.classNames).toHaveLength(200);
    const counts = new Int32Array(200);
    for (const label of held.targets.label!.labels) counts[label]!++;
    expect(held.length).toBe(10_000);
    expect(new Set(counts)).toEqual(new Set([50]));
    expect(train.paths[0]).toBe('train/n01443537/images/n01443537_0.JPEG');
    expect(train.targets.label!.classNames[train.targets.label!.labels[0]!]).toBe(
      'goldfish, Carassius auratus',
    );
    const check = await tinyImageNet.verify(context);
    expect(check.problems).toEqual([]);
  });

  test('CIFAR-100: labels, pixels and counts', async () => {
    const context = { dataDir, cacheDir: temporaryFolder() };
    const { train, test: held } = await cifar100.open(context);
    expect(new Set(train.targets.label!.labels).size).toBe(100);
    expect(new Set(held.targets.label!.labels).size).toBe(100);
    const reader = await train.open(preprocessing(32));
    const { pixels } = await reader.read([0, 1]);
    await reader.close();
    expect(new Set(pixels).size).toBeGreaterThan(50);
    const check = await cifar100.verify(context);
    expect(check.problems).toEqual([]);
  });

  test('Pascal VOC 2012: masks of 21 classes', async () => {
    const context = { dataDir, cacheDir: temporaryFolder() };
    const { train, test: held } = await voc2012.open(context);
    const { mask } = await readSome(train);
    expect(mask!.every((label) => label >= -1 && label < 21)).toBe(true);
    expect(new Set(mask).size).toBeGreaterThan(4);
    expect(held.length).toBeGreaterThan(0);
    expect((await voc2012.verify(context)).problems).toEqual([]);
  });

  test('CamVid: masks of 11 classes, mostly road, buildings and sky', async () => {
    const context = { dataDir, cacheDir: temporaryFolder() };
    const { train } = await camvid.open(context);
    const { mask } = await readSome(train);
    const counts = new Array<number>(11).fill(0);
    for (const label of mask!) if (label >= 0) counts[label]!++;
    const common = [0, 1, 3].reduce((sum, label) => sum + counts[label]!, 0);
    expect(common / mask!.length).toBeGreaterThan(0.4);
    expect((await camvid.verify(context)).problems).toEqual([]);
  });

  const rooms = join(dataDir, 'rgbd-7scenes-subset.zip');
  test.skipIf(!existsSync(rooms))(
    'a folder of RGB and depth, by its path: rooms of a few metres',
    async () => {
      const { train, test: held } = await openFolderDataset(rooms, { dataDir, cacheDir: temporaryFolder() });
      expect([train.length, held.length]).toEqual([117, 40]);
      const measured = (await readSome(train)).depth!.filter((metres) => metres > 0);
      expect(measured.length / (16 * 64 * 64)).toBeGreaterThan(0.8);
      expect(measured.every((metres) => metres > 0.3 && metres < 10)).toBe(true);
    },
  );

  const pictures = join(dataDir, 'cifar10-images-subset.zip');
  test.skipIf(!existsSync(pictures))('CIFAR-10 as a folder of images per class, by its path', async () => {
    const context = { dataDir, cacheDir: temporaryFolder() };
    const { train, test: held } = await openFolderDataset(pictures, context);
    expect(train.targets.label!.classNames).toEqual(held.targets.label!.classNames);
    expect(train.targets.label!.classNames).toHaveLength(10);
    expect([train.length, held.length]).toEqual([6000, 2000]);
    expect((await folderDataset(pictures).verify(context)).problems).toEqual([]);
  });
});

/** Sixteen examples spread over a split, at 64 pixels. */
async function readSome(split: ImageSplit) {
  const reader = await split.open(preprocessing(64));
  const batch = await reader.read(Array.from({ length: 16 }, (_, i) => Math.floor((i * split.length) / 16)));
  await reader.close();
  return batch;
}
