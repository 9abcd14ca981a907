import type { DatasetDefinition } from '@kora-bench/core';
import { checkDataset, crcFailures } from '../verify/check-dataset.js';
import { datasetName, openTinyImageNet } from './dataset.js';
import { howToGet, locateTinyImageNet } from './locate.js';

/**
 * Tiny ImageNet (Stanford CS231n, 2015): 200 classes of 64 × 64 images, 500 a class for training and 50
 * for validation. Reads the official layout, as a folder or as the zip archive. Labels follow `wnids.txt`;
 * examples come in the order of a directory walk sorted by name.
 */
export const tinyImageNet: DatasetDefinition = {
  name: datasetName,
  targets: ['label'],
  classes: 200,
  description: 'Tiny ImageNet: 200 classes, 64 × 64, 100,000 training and 10,000 validation images',
  embedded: false,
  howToGet: howToGet,
  open: async (context) => openTinyImageNet(await locateTinyImageNet(context), context),
  verify: (context) =>
    checkDataset(async (details) => {
      const source = await locateTinyImageNet(context);
      details.push(`found at ${source.location}`);
      const dataset = await openTinyImageNet(source, context);
      return { dataset, problems: await crcFailures(source, details) };
    }),
};
