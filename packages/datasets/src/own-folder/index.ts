import { readdir, stat } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import type {
  DataContext,
  DatasetDefinition,
  ImageDataset,
  ImageSplit,
  SplitName,
} from '@kora-bench/core/data';
import { type ContentSource, isNotData } from '../content/content-source.js';
import { openContent } from '../content/open-content.js';
import { fileSplit } from '../split/file-split.js';
import { type CompleteDataset, carve, withValidation } from '../split/selection.js';
import { checkDataset, crcFailures } from '../verify/check-dataset.js';
import { childrenOf, type FolderLayout, folderSelection, leftOut, recogniseLayout } from './layout.js';
import {
  type FolderExamples,
  type FolderSettings,
  labelledExamples,
  maskClassNames,
  maskedExamples,
  measuredExamples,
  readSettings,
  requireImages,
  valuedExamples,
} from './targets.js';

/** Of the images of a folder without splits. */
const testShare = 0.2;

/** A data set by its path; targets and classes are known once it is open. */
export type FolderDataset = Omit<DatasetDefinition, 'targets' | 'classes'>;

/** What {@link openFolderDataset} opens, in the form of a registered data set. */
export function folderDataset(path: string): FolderDataset {
  return {
    name: nameOf(path),
    description: `The images in ${path}`,
    embedded: false,
    howToGet: `Put the images in ${path}.`,
    open: (context) => openFolderDataset(path, context),
    verify: (context) =>
      checkDataset(async (details) => {
        const source = await openContent(path, folderSelection, context.cacheDir);
        details.push(`found at ${source.location}`);
        const dataset = await openSource(source, path, context);
        return { dataset, problems: await crcFailures(source, details) };
        // Nobody has looked through these images before.
      }, Number.POSITIVE_INFINITY),
  };
}

/**
 * Opens a data set of one's own: a folder, or a `.zip` or `.tar` archive of one, in one of these layouts, at
 * the top or in each of `train/`, `val/` and `test/` (also `training`, `valid`, `validation`, `testing`):
 *
 * - one folder of images for each class,
 * - `images/` and `masks/` (PNG, one index a pixel, 255 for none), with an optional `classes.txt` at the top,
 * - `rgb/` and `depth/` (16-bit PNG, millimetres unless `dataset.json` has another `scale`),
 * - `values.csv`: the column `path`, and one or more columns of numbers.
 *
 * `dataset.json` with `"truncated": true` reads images that are cut short as far as they go. Without `test/`, `val/` serves as `test`; without both, a fifth of the images is set aside as `test` and a
 * tenth of the rest as `val`, by a fixed seed. The notes of the splits say so.
 *
 * @param path of the folder or archive; its name without ending is the name of the data set
 * @throws MissingDataError when there is nothing; FormatError when it is laid out or filled in another way
 */
export async function openFolderDataset(path: string, context: DataContext): Promise<ImageDataset> {
  return openSource(await openContent(path, folderSelection, context.cacheDir), path, context);
}

async function openSource(source: ContentSource, path: string, context: DataContext): Promise<ImageDataset> {
  const layout = recogniseLayout(source);
  const settings = await readSettings(source);
  const read = await examplesReader(source, path, { layout, settings, context });
  const image = settings.truncated ? { image: { truncated: true } } : undefined;
  const common = [...leftOut(source, layout), ...(image === undefined ? [] : [truncatedNote])];
  const build = async (folder: string, split: SplitName, notes: readonly string[] = []) => {
    const { notes: own = [], encoding, ...examples } = await read(folder);
    const description = {
      dataset: nameOf(path),
      split,
      source,
      ...examples,
      ...((encoding ?? image) && { encoding: { ...encoding, ...image } }),
      notes: [...own, ...common, ...notes],
    };
    return fileSplit(description, context.cacheDir);
  };
  const { all, train: trainFolder, val: valFolder, test: testFolder } = layout.splits;
  const train = await build(all ?? trainFolder!, 'train');
  const name = train.dataset;
  if (testFolder !== undefined) {
    const test = await build(testFolder, 'test');
    if (valFolder === undefined) return { name, train, test };
    return { name, train, val: await build(valFolder, 'val'), test };
  }
  if (valFolder === undefined) return carved(train);
  return {
    name,
    train,
    test: await build(valFolder, 'test', [
      `${name} has no test images: those of ${valFolder} serve as test.`,
    ]),
  };
}

function carved(all: ImageSplit): CompleteDataset {
  const { rest, carved: test } = carve(all, 'test', { share: testShare });
  return withValidation({ name: all.dataset, train: rest, test });
}

const truncatedNote =
  'Images that are cut short are read as far as they go, the rest of them grey or black, as dataset.json says.';

interface FolderFacts {
  readonly layout: FolderLayout;
  readonly settings: FolderSettings;
  readonly context: DataContext;
}

/** How the examples below a folder are found; what all splits share is read once. */
async function examplesReader(
  source: ContentSource,
  path: string,
  { layout: { kind, splits }, settings, context: { cacheDir } }: FolderFacts,
): Promise<(folder: string) => FolderExamples | Promise<FolderExamples>> {
  if (kind === 'value') return (folder) => valuedExamples(source, folder);
  if (kind === 'label') {
    const folders = Object.values(splits);
    const classes = await Promise.all(folders.map((folder) => emptyFoldersToo(source, path, folder)));
    requireImages(source, classes.flat());
    const first = labelledExamples(source, splits.all ?? splits.train!);
    return (folder) => labelledExamples(source, folder, first.targets.label!.classNames);
  }
  if (kind === 'depth') return (folder) => measuredExamples(source, folder, settings);
  const classNames = await maskClassNames(source, settings, cacheDir);
  return (folder) => maskedExamples(source, folder, classNames, settings);
}

/**
 * The class folders below a folder. Empty ones hold no file, so that the source does not know them; on the
 * disk they can be seen.
 */
async function emptyFoldersToo(source: ContentSource, path: string, folder: string): Promise<string[]> {
  const known = [...childrenOf(source, folder)].filter((child) => child.endsWith('/'));
  const folders = new Set(known.map((child) => `${folder}${child.slice(0, -1)}`));
  const onDisk = join(path, source.root, folder);
  if (
    await stat(onDisk).then(
      (found) => found.isDirectory(),
      () => false,
    )
  ) {
    for (const child of await readdir(onDisk, { withFileTypes: true })) {
      if (child.isDirectory() && !isNotData(child.name)) folders.add(`${folder}${child.name}`);
    }
  }
  return [...folders];
}

function nameOf(path: string): string {
  return basename(resolve(path)).replace(/\.(?:zip|exe|tar(?:\.\w+)?|tgz)$/i, '');
}
