import type { DataContext, ImageDataset, ImageSplit } from '@kora-bench/core/data';
import { FormatError } from '@kora-bench/core/errors';
import { type ContentSource, readTexts, walkOrder } from '../content/content-source.js';
import { fileSplit } from '../split/file-split.js';

export const datasetName = 'tiny-imagenet';

const annotationsFile = 'val/val_annotations.txt';
const textFiles = ['wnids.txt', 'words.txt'] as const;

/** Where an image lies: its split, its class if its folder says so, and its name. */
interface ImagePlace {
  readonly split: 'train' | 'test';
  readonly wnid: string | undefined;
  readonly file: string;
}

/**
 * `train/<wnid>/images/*.JPEG` and `val/images/*.JPEG` officially. Half the scripts in use move the validation images
 * into `val/<wnid>/`, with or without `images/`, and some flatten the training images likewise.
 */
function placeOf(path: string): ImagePlace | undefined {
  const match = /^(train|val)\/(?:(?!images\/)([^/]+)\/(?:images\/)?|images\/)([^/]+\.jpe?g)$/i.exec(path);
  if (match === null) return undefined;
  const [, folder, wnid, file] = match;
  if (folder === 'train' && wnid === undefined) return undefined;
  return { split: folder === 'train' ? 'train' : 'test', wnid, file: file! };
}

/** Whether a path of the data set is read. */
export function isRead(path: string): boolean {
  return [...textFiles, annotationsFile].includes(path) || placeOf(path) !== undefined;
}

const standingNotes = [
  'Tiny ImageNet is cut from ImageNet: a backbone pre-trained on ImageNet has very likely seen these ' +
    'images, or others of these classes, with their labels.',
];

/** The official validation images serve as `test`: the labels of the official test images are not public. */
const officialCounts = { train: 100_000, test: 10_000 } as const;

/** @throws FormatError when files and label lists do not fit each other. */
export async function openTinyImageNet(source: ContentSource, context: DataContext): Promise<ImageDataset> {
  const texts = await readTexts(source, textFiles);
  const { wnids, names } = parseClasses(texts['wnids.txt'], texts['words.txt'], source.location);
  const labelOf = new Map(wnids.map((id, label): [string, number] => [id, label]));
  const annotated = await readValAnnotations(source);

  const build = async (split: keyof typeof officialCounts): Promise<ImageSplit> => {
    const found = imagesOf(source, split, annotated);
    const labels = found.map(({ entry, wnid }) => {
      const label = wnid === undefined ? undefined : labelOf.get(wnid);
      if (label === undefined) throw unknownClass(source.location, source.entries[entry]!.path, wnid);
      return label;
    });
    checkComplete(source.location, split, labels, { wnids, annotated: annotated?.size });
    return fileSplit(
      {
        dataset: datasetName,
        split,
        targets: { label: { classNames: names, labels: Int32Array.from(labels) } },
        notes: [...standingNotes, ...partNote(split, found.length)],
        source,
        examples: found.map(({ entry }) => ({ image: entry })),
        paths: found.map(({ officialPath }) => officialPath),
      },
      context.cacheDir,
    );
  };
  return { name: datasetName, train: await build('train'), test: await build('test') };
}

interface FoundImage {
  readonly entry: number;
  readonly wnid: string | undefined;
  /** Where it lies in the official layout, which orders the images whatever layout this is. */
  readonly officialPath: string;
}

/**
 * The images of a split in the official order.
 *
 * @param annotated the classes of the validation images, where there is a list of them
 * @throws FormatError when the folder and the list say different things of an image
 */
function imagesOf(
  source: ContentSource,
  split: keyof typeof officialCounts,
  annotated: ReadonlyMap<string, string> | undefined,
): readonly FoundImage[] {
  const found = new Map<string, FoundImage>();
  source.entries.forEach(({ path }, entry) => {
    const place = placeOf(path);
    if (place?.split !== split) return;
    const { file, wnid: folder } = place;
    const listed = split === 'test' ? annotated?.get(file) : undefined;
    if (folder !== undefined && listed !== undefined && folder !== listed) {
      throw new FormatError('A validation image lies in the folder of another class.', {
        where: `${source.location}: ${path}`,
        expected: `a folder ${listed}, as ${annotationsFile} says`,
        received: folder,
        fix: 'Unpack the data set again, or sort its validation images again.',
      });
    }
    const officialPath = split === 'train' ? `train/${folder}/images/${file}` : `val/images/${file}`;
    // Scripts that copy leave the image where it was; the one in the folder of its class counts.
    if (found.has(officialPath) && folder === undefined) return;
    found.set(officialPath, { entry, wnid: folder ?? listed, officialPath });
  });
  return [...found.values()].sort((a, b) => walkOrder(a.officialPath, b.officialPath));
}

function partNote(split: keyof typeof officialCounts, found: number): string[] {
  if (found === officialCounts[split]) return [];
  return [`This is a part of Tiny ImageNet: ${found} of the ${officialCounts[split]} images of ${split}.`];
}

function unknownClass(location: string, path: string, wnid: string | undefined): FormatError {
  return new FormatError('An image has no known class.', {
    where: `${location}: ${path}`,
    expected: wnid === undefined ? `a line in ${annotationsFile}` : 'a class of wnids.txt',
    received: wnid ?? 'none',
    fix: 'Download or unpack the data set again, and add no files to it.',
  });
}

function checkComplete(
  location: string,
  split: keyof typeof officialCounts,
  labels: readonly number[],
  { wnids, annotated }: { readonly wnids: readonly string[]; readonly annotated: number | undefined },
): void {
  const present = new Set(labels);
  const absent = wnids.filter((_, label) => !present.has(label));
  const fix = 'Download or unpack the data set again: a part of its images is not there.';
  if (split === 'train' && absent.length > 0) {
    throw new FormatError('Classes of Tiny ImageNet have no training images.', {
      where: `${location}: train/`,
      expected: `images for all ${wnids.length} classes of wnids.txt`,
      received: `none for ${absent.length}, e.g. ${absent[0]}`,
      fix,
    });
  }
  if (split === 'test' && annotated !== undefined && labels.length !== annotated) {
    throw new FormatError('Validation images of Tiny ImageNet are missing.', {
      where: `${location}: val/`,
      expected: `the ${annotated} images of val_annotations.txt`,
      received: String(labels.length),
      fix,
    });
  }
}

/** The classes of Tiny ImageNet; a label is a place in these lists. */
interface TinyImageNetClasses {
  readonly wnids: readonly string[];
  readonly names: readonly string[];
}

/**
 * Parses `wnids.txt` (one WordNet id a line; its order is the order of labels) and `words.txt`
 * (id, tab, names). An id that `words.txt` does not know keeps its id as name.
 *
 * @throws FormatError when `wnids.txt` is empty, or names a class twice.
 */
function parseClasses(wnidsTxt: string, wordsTxt: string, location: string): TinyImageNetClasses {
  const wnids = lines(wnidsTxt);
  if (
    wnids.length === 0 ||
    new Set(wnids).size !== wnids.length ||
    wnids.some((id) => !/^n\d{8}$/.test(id))
  ) {
    throw new FormatError('The list of classes is damaged.', {
      where: `${location}: wnids.txt`,
      expected: 'one WordNet id a line (n and 8 digits), none twice',
      received: wnids.length === 0 ? 'an empty file' : `${wnids.length} lines, some not so`,
      fix: 'Download the data set again.',
    });
  }
  const words = new Map(
    lines(wordsTxt).map((line): [string, string] => {
      const tab = line.indexOf('\t');
      return [line.slice(0, tab), line.slice(tab + 1).trim()];
    }),
  );
  return { wnids, names: wnids.map((id) => words.get(id) ?? id) };
}

/**
 * Which class each validation image has, where the list is still there.
 *
 * @throws FormatError when it is not, and the images are not sorted into folders of classes either
 */
async function readValAnnotations(source: ContentSource): Promise<ReadonlyMap<string, string> | undefined> {
  const isListed = source.entries.some(({ path }) => path === annotationsFile);
  const isSorted = source.entries.some(({ path }) => {
    const place = placeOf(path);
    return place?.split === 'test' && place.wnid !== undefined;
  });
  if (!isListed && isSorted) return undefined;
  const texts = await readTexts(source, [annotationsFile]);
  return parseValAnnotations(texts[annotationsFile], source.location);
}

/**
 * Parses `val/val_annotations.txt` (file, WordNet id and a box, tab separated) to the id of each file.
 *
 * @throws FormatError naming the line that is damaged.
 */
function parseValAnnotations(text: string, location: string): ReadonlyMap<string, string> {
  const ids = new Map<string, string>();
  lines(text).forEach((line, i) => {
    const [file, wnid] = line.split('\t');
    if (file === undefined || wnid === undefined || file === '' || wnid === '') {
      throw new FormatError('The validation labels are damaged.', {
        where: `${location}: val/val_annotations.txt, line ${i + 1}`,
        expected: 'a file name and a WordNet id, tab separated',
        received: JSON.stringify(line.slice(0, 80)),
        fix: 'Download the data set again.',
      });
    }
    ids.set(file, wnid);
  });
  return ids;
}

function lines(text: string): string[] {
  return text.split(/\r?\n/).filter((line) => line !== '');
}
