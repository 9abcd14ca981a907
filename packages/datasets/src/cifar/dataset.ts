import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type DataContext, FormatError, type ImageDataset, type ImageSplit } from '@kora-bench/core';
import { storedSplit } from '../split/stored-split.js';
import type { CifarFiles } from './locate.js';
import { recordImages, scanRecordFile } from './record-file.js';
import type { CifarVariant } from './variant.js';

/** @throws FormatError when a file is missing or damaged. */
export async function openCifar(
  files: CifarFiles,
  variant: CifarVariant,
  context: DataContext,
): Promise<ImageDataset> {
  const classNames = await readClassNames(files, variant);
  const build = async (split: 'train' | 'test', names: readonly string[]): Promise<ImageSplit> => {
    const records = [];
    for (const name of names) records.push(await scanRecordFile(files, name, variant));
    const count = records.reduce((sum, { labels }) => sum + labels.length, 0);
    const labels = new Int32Array(count);
    const paths: string[] = [];
    for (const record of records) {
      labels.set(record.labels, paths.length);
      for (let i = 0; i < record.labels.length; i++) paths.push(`${record.name}/${i}`);
    }
    const official = variant.official[split];
    const part = `This is a part of ${variant.name}: ${count} of the ${official} images of ${split}.`;
    return storedSplit(
      {
        dataset: variant.name,
        split,
        targets: { label: { classNames, labels } },
        paths,
        content: records.map(({ sha256 }) => sha256).join(' '),
        notes: count === official ? [] : [part],
        store: recordImages(files, records, variant),
      },
      context.cacheDir,
    );
  };
  return {
    name: variant.name,
    train: await build('train', variant.trainFiles),
    test: await build('test', [variant.testFile]),
  };
}

async function readClassNames(files: CifarFiles, variant: CifarVariant): Promise<readonly string[]> {
  const text = await readFile(join(files.folder, variant.namesFile), 'utf8').catch(() => '');
  const names = text.split(/\r?\n/).filter((line) => line.trim() !== '');
  if (names.length === variant.classes) return names;
  throw new FormatError('The class names of CIFAR are damaged or missing.', {
    where: `${files.location}: ${variant.namesFile}`,
    expected: `${variant.classes} lines`,
    received: `${names.length} lines`,
    fix: `Download or unpack ${variant.officialArchive} again.`,
  });
}
