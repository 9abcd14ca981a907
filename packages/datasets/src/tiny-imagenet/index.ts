import type { DataContext, DatasetDefinition } from '@kora-bench/core/data';
import { type ContentSource, rootByMarker } from '../content/content-source.js';
import { type DataPlaces, locate, openContent } from '../content/open-content.js';
import { checkDataset, crcFailures } from '../verify/check-dataset.js';
import { datasetName, isRead, openTinyImageNet } from './dataset.js';

const places: DataPlaces = {
  title: 'Tiny ImageNet',
  folders: ['tiny-imagenet-200'],
  markers: ['wnids.txt'],
  archive: /^tiny-imagenet-200.*\.(?:zip|tar(?:\.\w+)?|tgz)$/i,
  officialArchive: 'tiny-imagenet-200.zip',
  howToGet:
    'Download http://cs231n.stanford.edu/tiny-imagenet-200.zip (237 MB) into the data folder; ' +
    'it is read as it is, unpacked (folder tiny-imagenet-200/) or not.',
};

async function findTinyImageNet(context: DataContext): Promise<ContentSource> {
  return openContent(
    await locate(context, places),
    {
      ...rootByMarker('wnids.txt'),
      wanted: isRead,
      // Neither the official test images nor anything else that was put beside is looked through.
      enters: (path) => /^(?:(?:train|val)(?:\/[^/]+(?:\/images)?)?)$/.test(path),
    },
    context.cacheDir,
  );
}

/**
 * Tiny ImageNet (Stanford CS231n, 2015): 200 classes of 64 × 64 images, 500 a class for training and 50
 * for validation. Reads the official layout, as a folder or as the zip archive, and also one whose
 * validation images a script has sorted into folders of classes. Labels follow `wnids.txt`;
 * examples come in the order of a directory walk sorted by name.
 */
export const tinyImageNet: DatasetDefinition = {
  name: datasetName,
  targets: ['label'],
  classes: 200,
  description: 'Tiny ImageNet: 200 classes, 64 × 64, 100,000 training and 10,000 validation images',
  embedded: false,
  howToGet: places.howToGet,
  open: async (context) => openTinyImageNet(await findTinyImageNet(context), context),
  verify: (context) =>
    checkDataset(async (details) => {
      const source = await findTinyImageNet(context);
      details.push(`found at ${source.location}`);
      const dataset = await openTinyImageNet(source, context);
      return { dataset, problems: await crcFailures(source, details) };
    }),
};
