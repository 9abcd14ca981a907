import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import type { DatasetDefinition } from '@kora-bench/core/data';
import { checkDataset } from '../verify/check-dataset.js';
import { openCifar } from './dataset.js';
import { type CifarVariant, cifar10Variant, cifar100Variant, howToGet, locateCifar } from './files.js';

/** CIFAR-10 in its official binary files, unpacked or as `.tar.gz`. `test` is its test batch. */
export const cifar10: DatasetDefinition = define(cifar10Variant);

/** CIFAR-100 (fine labels) in its official binary files, unpacked or as `.tar.gz`. `test` is its test file. */
export const cifar100: DatasetDefinition = define(cifar100Variant);

function define(variant: CifarVariant): DatasetDefinition {
  const { name, classes, official } = variant;
  return {
    name,
    targets: ['label'],
    classes,
    description:
      `CIFAR-${classes}: ${classes} classes, 32 × 32, ` +
      `${official.train.toLocaleString('en')} training and ${official.test.toLocaleString('en')} test images`,
    embedded: false,
    howToGet: howToGet(variant),
    open: async (context) => openCifar(await locateCifar(variant, context), variant, context),
    verify: (context) =>
      checkDataset(async (details) => {
        const files = await locateCifar(variant, context);
        details.push(`found at ${files.location}`);
        if (files.isArchive) {
          const md5 = await md5OfFile(files.location);
          const known = md5 === variant.officialMd5 ? 'the official archive' : 'not the official archive';
          details.push(`MD5 ${md5}: ${known}`);
        }
        return { dataset: await openCifar(files, variant, context), problems: [] };
      }),
  };
}

async function md5OfFile(path: string): Promise<string> {
  const hash = createHash('md5');
  await pipeline(createReadStream(path), hash);
  return hash.digest('hex');
}
