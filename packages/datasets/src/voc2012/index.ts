import type { DataContext, DatasetDefinition, ImageDataset, ImageSplit } from '@kora-bench/core/data';
import { FormatError } from '@kora-bench/core/errors';
import { type ContentSource, linesOf, readTexts, rootByMarker } from '../content/content-source.js';
import { type DataPlaces, locate, openContent } from '../content/open-content.js';
import { type FileExample, fileSplit } from '../split/file-split.js';
import { checkDataset, crcFailures } from '../verify/check-dataset.js';

const datasetName = 'voc2012';

const classNames = [
  'background',
  'aeroplane',
  'bicycle',
  'bird',
  'boat',
  'bottle',
  'bus',
  'car',
  'cat',
  'chair',
  'cow',
  'diningtable',
  'dog',
  'horse',
  'motorbike',
  'person',
  'pottedplant',
  'sheep',
  'sofa',
  'train',
  'tvmonitor',
] as const;

/** Object borders and pixels that were hard to tell. */
const voidIndex = 255;

/** The official validation images serve as `test`: the labels of the official test images are not public. */
const official = { train: { list: 'train', images: 1464 }, test: { list: 'val', images: 1449 } } as const;

const listPaths = [
  'ImageSets/Segmentation/train.txt',
  'ImageSets/Segmentation/val.txt',
] as const satisfies readonly string[];

const places: DataPlaces = {
  title: 'Pascal VOC 2012',
  folders: ['VOCdevkit/VOC2012', 'VOC2012'],
  markers: [listPaths[0]],
  archive: /^voc(?:trainval|devkit)?[-_.]?(?:11-May-)?2012.*\.(?:zip|tar(?:\.\w+)?|tgz)$/i,
  officialArchive: 'VOCtrainval_11-May-2012.tar',
  howToGet:
    'Download http://host.robots.ox.ac.uk/pascal/VOC/voc2012/VOCtrainval_11-May-2012.tar (2 GB) into the data ' +
    'folder; it is read as it is, unpacked (folder VOCdevkit/VOC2012/) or not.',
};

/**
 * Pascal VOC 2012, semantic segmentation (Everingham et al.): 20 kinds of objects and background. `train` is
 * the official training list, `test` the official validation list. Void pixels (255) belong to no class.
 */
export const voc2012: DatasetDefinition = {
  name: datasetName,
  targets: ['mask'],
  classes: classNames.length,
  description: 'Pascal VOC 2012 segmentation: 21 classes, 1,464 training and 1,449 validation images',
  embedded: false,
  howToGet: places.howToGet,
  open: async (context) => openVoc(await findVoc(context), context),
  verify: (context) =>
    checkDataset(async (details) => {
      const source = await findVoc(context);
      details.push(`found at ${source.location}`);
      const dataset = await openVoc(source, context);
      return { dataset, problems: await crcFailures(source, details) };
    }),
};

async function findVoc(context: DataContext): Promise<ContentSource> {
  return openContent(
    await locate(context, places),
    {
      ...rootByMarker(listPaths[0]),
      wanted: (path) =>
        (listPaths as readonly string[]).includes(path) ||
        /^(?:JPEGImages\/[^/]+\.jpe?g|SegmentationClass\/[^/]+\.png)$/i.test(path),
      enters: (path) => /^(?:ImageSets(?:\/Segmentation)?|JPEGImages|SegmentationClass)$/.test(path),
    },
    context.cacheDir,
  );
}

async function openVoc(source: ContentSource, context: DataContext): Promise<ImageDataset> {
  const texts = await readTexts(source, listPaths);
  const entryOf = new Map(source.entries.map(({ path }, entry): [string, number] => [path, entry]));
  const find = (path: string, list: string): number => {
    const entry = entryOf.get(path);
    if (entry !== undefined) return entry;
    throw new FormatError('A file of Pascal VOC is missing.', {
      where: source.location,
      expected: `${path}, which ${list} names`,
      received: 'none',
      fix: 'Download or unpack the data set again.',
    });
  };
  const build = (split: keyof typeof official): Promise<ImageSplit> => {
    const list = `ImageSets/Segmentation/${official[split].list}.txt` as const;
    const examples = linesOf(texts[list]).map(
      (id): FileExample => ({
        image: find(`JPEGImages/${id}.jpg`, list),
        mask: find(`SegmentationClass/${id}.png`, list),
      }),
    );
    const all = official[split].images;
    const part = `This is a part of Pascal VOC 2012: ${examples.length} of the ${all} images of ${split}.`;
    return fileSplit(
      {
        dataset: datasetName,
        split,
        targets: { mask: { classNames } },
        encoding: { mask: { unlabelled: [voidIndex] } },
        notes: examples.length === all ? [] : [part],
        source,
        examples,
      },
      context.cacheDir,
    );
  };
  return { name: datasetName, train: await build('train'), test: await build('test') };
}
