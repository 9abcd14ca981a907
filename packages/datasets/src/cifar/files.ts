import { join } from 'node:path';
import type { DataContext } from '@kora-bench/core/data';
import { MissingDataError } from '@kora-bench/core/errors';
import { exists, findArchive } from '../content/open-content.js';
import { unpackMembers } from '../content/tar-source.js';

/** What tells CIFAR-10 from CIFAR-100 in their binary files (Krizhevsky, 2009). */
export interface CifarVariant {
  readonly name: 'cifar10' | 'cifar100';
  readonly classes: number;
  readonly folder: string;
  /** What archives of it are named like. */
  readonly archive: RegExp;
  readonly officialArchive: string;
  /** MD5 of the official archive, as its page states it. */
  readonly officialMd5: string;
  readonly trainFiles: readonly string[];
  readonly testFile: string;
  readonly namesFile: string;
  /** Bytes before the pixels of a record, and which of them is the label. */
  readonly labelBytes: number;
  readonly labelAt: number;
  readonly official: { readonly train: number; readonly test: number };
}

export const cifar10Variant: CifarVariant = {
  name: 'cifar10',
  classes: 10,
  folder: 'cifar-10-batches-bin',
  archive: /^cifar-10-binary.*\.(?:tar(?:\.\w+)?|tgz)$/i,
  officialArchive: 'cifar-10-binary.tar.gz',
  officialMd5: 'c32a1d4ab5d03f1284b67883e8d87530',
  trainFiles: [1, 2, 3, 4, 5].map((part) => `data_batch_${part}.bin`),
  testFile: 'test_batch.bin',
  namesFile: 'batches.meta.txt',
  labelBytes: 1,
  labelAt: 0,
  official: { train: 50_000, test: 10_000 },
};

export const cifar100Variant: CifarVariant = {
  name: 'cifar100',
  classes: 100,
  folder: 'cifar-100-binary',
  archive: /^cifar-100-binary.*\.(?:tar(?:\.\w+)?|tgz)$/i,
  officialArchive: 'cifar-100-binary.tar.gz',
  officialMd5: '03b5dce01913d631647c71ecec9e9cb8',
  trainFiles: ['train.bin'],
  testFile: 'test.bin',
  namesFile: 'fine_label_names.txt',
  labelBytes: 2,
  labelAt: 1,
  official: { train: 50_000, test: 10_000 },
};

/** All files of a variant that are read. */
function filesOf({ trainFiles, testFile, namesFile }: CifarVariant): string[] {
  return [...trainFiles, testFile, namesFile];
}

export function howToGet({ officialArchive, folder }: CifarVariant): string {
  return (
    `Download https://www.cs.toronto.edu/~kriz/${officialArchive} into the data folder; ` +
    `it is read as it is, unpacked (folder ${folder}/) or not.`
  );
}

/** Where CIFAR was found: `location` is what the user put there, `folder` holds the binary files. */
export interface CifarFiles {
  readonly location: string;
  readonly folder: string;
  readonly isArchive: boolean;
}

/**
 * Finds CIFAR in the data folder: its official folder, else the official archive, else the first
 * archive whose name starts so.
 *
 * @throws MissingDataError when there is none; FormatError when the archive is damaged.
 */
export async function locateCifar(variant: CifarVariant, context: DataContext): Promise<CifarFiles> {
  const { dataDir, cacheDir } = context;
  const folder = join(dataDir, variant.folder);
  if (await exists(folder)) return { location: folder, folder, isArchive: false };
  const archive = await findArchive(dataDir, variant);
  if (archive === undefined) {
    throw new MissingDataError(`${variant.name} is not in the data folder.`, {
      where: dataDir,
      expected: `the folder ${variant.folder}/ or ${variant.officialArchive}`,
      received: 'neither',
      fix: howToGet(variant),
    });
  }
  const location = join(dataDir, archive);
  const unpacked = await unpackMembers(location, filesOf(variant), cacheDir);
  return { location, folder: unpacked, isArchive: true };
}
