import { existsSync } from 'node:fs';
import { cifar100, tinyImageNet } from '@kora-bench/datasets';
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
});
