import { join } from 'node:path';
import type { DataContext, DatasetDefinition, ImageDataset, ImageSplit } from '@kora-bench/core/data';
import { FormatError, MissingDataError } from '@kora-bench/core/errors';
import { parse } from 'csv-parse/sync';
import { type ContentSource, readTexts, rootByMarker } from '../content/content-source.js';
import { readWhole } from '../content/file-access.js';
import { openFolder } from '../content/folder-source.js';
import { exists, locate, openContent } from '../content/open-content.js';
import type { DepthEncoding } from '../decode/stored-example.js';
import { type FileExample, fileSplit } from '../split/file-split.js';
import { storedSplit } from '../split/stored-split.js';
import { checkDataset, crcFailures } from '../verify/check-dataset.js';
import { countExamples, labelledFileStore } from './labelled-file.js';
import { readMatlabV5 } from './matlab-v5.js';

const datasetName = 'nyu-depth-v2';
const labelledFile = 'nyu_depth_v2_labeled.mat';
const splitsFile = 'splits.mat';
const folders = ['nyu-depth-v2', 'nyu_depth_v2', '.'];
const csvFiles = ['data/nyu2_train.csv', 'data/nyu2_test.csv'] as const;

/** The Kinect measures no further. */
const maximum = 10;
const targets = { depth: { maximum } };

/** Rows 45 to 470 and columns 41 to 600 of 480 × 640: what Eigen et al. (2014) and those after them score. */
const evaluationRegion = { top: 45, left: 41, height: 471 - 45, width: 601 - 41 };

const officialCounts = { train: 795, test: 654 } as const;

const howToGet =
  'Download http://horatio.cs.nyu.edu/mit/silberman/nyu_depth_v2/nyu_depth_v2_labeled.mat (2.8 GB) and ' +
  'http://horatio.cs.nyu.edu/mit/silberman/indoor_seg_sup/splits.mat into the folder nyu-depth-v2/ of the data ' +
  'folder. Or put nyu_data/ (or nyu_data.zip) with data/nyu2_train.csv and data/nyu2_test.csv there. Folders ' +
  'of your own with rgb/ and depth/ are opened by their path.';

export interface NyuOptions {
  /**
   * Whether pixels outside Eigen's crop (rows 45 to 470, columns 41 to 600) count as not measured in `test`,
   * as in published results; default true.
   */
  readonly evaluationCrop?: boolean;
}

/**
 * NYU Depth V2 (Silberman et al. 2012): rooms of 640 × 480 with the depth of a Kinect up to 10 m. From the
 * labelled file with the official split, or from `nyu_data/` with its two lists, which trains on 50,688
 * images of 8-bit depth.
 */
export const nyuDepthV2: DatasetDefinition = {
  name: datasetName,
  targets: ['depth'],
  classes: 0,
  description: 'NYU Depth V2: rooms with depth in metres, 640 × 480, 795 training and 654 test images',
  embedded: false,
  howToGet,
  open: (context) => openNyuDepthV2(context),
  verify: (context) =>
    checkDataset(async (details) => {
      const found = await findNyu(context);
      details.push(`found at ${found.kind === 'labelled' ? found.folder : found.source.location}`);
      const dataset = await openFound(found, context, {});
      const problems = found.kind === 'files' ? await crcFailures(found.source, details) : [];
      return { dataset, problems };
    }),
};

/**
 * Opens NYU Depth V2; depth is in metres, 0 where not measured.
 *
 * @throws MissingDataError when it or its split is not in the data folder; FormatError when it is damaged
 */
export async function openNyuDepthV2(context: DataContext, options: NyuOptions = {}): Promise<ImageDataset> {
  return openFound(await findNyu(context), context, options);
}

type Found =
  | { readonly kind: 'labelled'; readonly folder: string }
  | { readonly kind: 'files'; readonly source: ContentSource };

async function findNyu(context: DataContext): Promise<Found> {
  for (const name of folders) {
    const folder = join(context.dataDir, name);
    if (!(await exists(join(folder, labelledFile)))) continue;
    if (await exists(join(folder, splitsFile))) return { kind: 'labelled', folder };
    throw new MissingDataError('The official split of NYU Depth V2 is missing.', {
      where: folder,
      expected: `${splitsFile} beside ${labelledFile}`,
      received: 'none',
      fix: howToGet,
    });
  }
  const location = await locate(context, {
    title: 'NYU Depth V2',
    folders: ['nyu_data', 'nyu-depth-v2/nyu_data'],
    markers: [csvFiles[0]],
    archive: /^nyu_data.*\.(?:zip|tar(?:\.\w+)?|tgz)$/i,
    officialArchive: 'nyu_data.zip',
    howToGet,
  });
  return { kind: 'files', source: await openContent(location, rootByMarker(csvFiles[0]), context.cacheDir) };
}

function openFound(found: Found, context: DataContext, options: NyuOptions): Promise<ImageDataset> {
  return found.kind === 'labelled'
    ? openLabelled(found.folder, context, options)
    : openFiles(found.source, context, options);
}

/** How depth is stored in a split: only `test` is cropped, since results are scored on it. */
function encodingOf(
  split: 'train' | 'test',
  stored: DepthEncoding,
  { evaluationCrop = true }: NyuOptions,
): { readonly depth: DepthEncoding } {
  return { depth: { ...stored, ...(split === 'test' && evaluationCrop && { region: evaluationRegion }) } };
}

function cropNotes(split: 'train' | 'test', { evaluationCrop = true }: NyuOptions): string[] {
  if (split === 'train') return [];
  return evaluationCrop
    ? ['Depth is scored inside Eigen’s crop (rows 45 to 470, columns 41 to 600), up to 10 m.']
    : ['Depth is scored on whole images, not inside Eigen’s crop as in published results.'];
}

async function openLabelled(
  folder: string,
  context: DataContext,
  options: NyuOptions,
): Promise<ImageDataset> {
  const path = join(folder, labelledFile);
  const count = await countExamples(path);
  const lists = await readSplits(join(folder, splitsFile), count);
  const source = await openFolder(
    folder,
    {
      expected: labelledFile,
      root: () => '',
      wanted: (file) => file === labelledFile,
      enters: () => false,
    },
    context.cacheDir,
  );
  const [checksum] = await source.checksums();
  const build = (split: 'train' | 'test'): ImageSplit => {
    const chosen = lists[split];
    const part = `This is a part of NYU Depth V2: ${chosen.length} of the ${officialCounts[split]} images of ${split}.`;
    return storedSplit(
      {
        dataset: datasetName,
        split,
        targets,
        encoding: encodingOf(split, {}, options),
        paths: chosen.map((example) => `${labelledFile}/${String(example + 1).padStart(4, '0')}`),
        content: `CRC-32 ${checksum}, ${source.entries[0]!.size} bytes`,
        notes: [...(chosen.length === officialCounts[split] ? [] : [part]), ...cropNotes(split, options)],
        store: labelledFileStore(path, chosen),
      },
      context.cacheDir,
    );
  };
  return { name: datasetName, train: build('train'), test: build('test') };
}

/** The examples of the official split, from 0; MATLAB counts from 1. */
async function readSplits(path: string, count: number): Promise<Record<'train' | 'test', number[]>> {
  const matrices = readMatlabV5(await readWhole(path), path);
  const list = (name: string): number[] => {
    const numbers = matrices.get(name) ?? [];
    const valid = numbers.every((n) => Number.isInteger(n) && n >= 1 && n <= count);
    if (valid && numbers.length > 0 && new Set(numbers).size === numbers.length) {
      return numbers.map((n) => n - 1);
    }
    throw new FormatError('The official split of NYU Depth V2 does not fit its examples.', {
      where: path,
      expected: `${name}: different numbers from 1 to ${count}`,
      received:
        numbers.length === 0 ? `none among ${[...matrices.keys()].join(', ') || 'no matrices'}` : 'others',
      fix: `Download ${splitsFile} and ${labelledFile} again.`,
    });
  };
  return { train: list('trainNdxs'), test: list('testNdxs') };
}

async function openFiles(
  source: ContentSource,
  context: DataContext,
  options: NyuOptions,
): Promise<ImageDataset> {
  const texts = await readTexts(source, csvFiles);
  const entryOf = new Map(source.entries.map(({ path }, entry): [string, number] => [path, entry]));
  const build = (split: 'train' | 'test', file: (typeof csvFiles)[number]): Promise<ImageSplit> => {
    const find = (path: string | undefined, line: number): number => {
      const entry = path === undefined ? undefined : entryOf.get(path);
      if (entry !== undefined) return entry;
      throw new FormatError('A list of NYU Depth V2 names a file that is not there.', {
        where: `${source.location}: ${file}, line ${line}`,
        expected: 'the paths of an image and of its depth, separated by a comma',
        received: JSON.stringify(path ?? ''),
        fix: 'Download or unpack the data set again.',
      });
    };
    const rows: string[][] = parse(texts[file], { trim: true, skip_empty_lines: true });
    const examples = rows.map(([image, depth], i): FileExample => {
      return { image: find(image, i + 1), depth: find(depth, i + 1) };
    });
    // In these copies training depth is 8 bits over 10 m, and test depth 16 bits in millimetres.
    const stored: DepthEncoding =
      split === 'train' ? { bits: 8, metresPerUnit: maximum / 255 } : { bits: 16 };
    const own =
      split === 'train'
        ? `Trained on ${examples.length} images of nyu_data with 8-bit depth, not on the official 795.`
        : undefined;
    return fileSplit(
      {
        dataset: datasetName,
        split,
        targets,
        encoding: encodingOf(split, stored, options),
        notes: [...(own === undefined ? [] : [own]), ...cropNotes(split, options)],
        source,
        examples,
      },
      context.cacheDir,
    );
  };
  return {
    name: datasetName,
    train: await build('train', csvFiles[0]),
    test: await build('test', csvFiles[1]),
  };
}
