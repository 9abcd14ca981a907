import type { DataContext, ImageDataset, ImageSplit } from '@kora-bench/core/data';
import { FormatError } from '@kora-bench/core/errors';
import { type ContentSource, readTexts } from '../content/content-source.js';
import { fileSplit } from '../split/file-split.js';

export const datasetName = 'tiny-imagenet';

/** An image of the training or validation set: `train/<wnid>/images/*.JPEG` or `val/images/*.JPEG`. */
const imagePath = /^(?:train\/([^/]+)|val)\/images\/[^/.][^/]*\.jpe?g$/i;

const textFiles = ['wnids.txt', 'words.txt', 'val/val_annotations.txt'] as const;

/** Whether a path of the official layout is read. */
export function isRead(path: string): boolean {
  return (textFiles as readonly string[]).includes(path) || imagePath.test(path);
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
  const valIds = parseValAnnotations(texts['val/val_annotations.txt'], source.location);

  const build = async (split: keyof typeof officialCounts): Promise<ImageSplit> => {
    const chosen: number[] = [];
    const labels: number[] = [];
    source.entries.forEach(({ path }, entry) => {
      const match = imagePath.exec(path);
      if (match === null || path.startsWith('train/') !== (split === 'train')) return;
      const wnid = split === 'train' ? match[1]! : valIds.get(path.slice(path.lastIndexOf('/') + 1));
      const label = wnid === undefined ? undefined : labelOf.get(wnid);
      if (label === undefined) throw unknownClass(source.location, path, wnid);
      chosen.push(entry);
      labels.push(label);
    });
    checkComplete(source.location, split, labels, { wnids, annotated: valIds.size });
    return fileSplit(
      {
        dataset: datasetName,
        split,
        targets: { label: { classNames: names, labels: Int32Array.from(labels) } },
        notes: [...standingNotes, ...partNote(split, chosen.length)],
        source,
        examples: chosen.map((image) => ({ image })),
      },
      context.cacheDir,
    );
  };
  return { name: datasetName, train: await build('train'), test: await build('test') };
}

function partNote(split: keyof typeof officialCounts, found: number): string[] {
  if (found === officialCounts[split]) return [];
  return [`This is a part of Tiny ImageNet: ${found} of the ${officialCounts[split]} images of ${split}.`];
}

function unknownClass(location: string, path: string, wnid: string | undefined): FormatError {
  return new FormatError('An image has no known class.', {
    where: `${location}: ${path}`,
    expected: wnid === undefined ? 'a line in val/val_annotations.txt' : 'a class of wnids.txt',
    received: wnid ?? 'none',
    fix: 'Download or unpack the data set again, and add no files to it.',
  });
}

function checkComplete(
  location: string,
  split: keyof typeof officialCounts,
  labels: readonly number[],
  { wnids, annotated }: { readonly wnids: readonly string[]; readonly annotated: number },
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
  if (split === 'test' && labels.length !== annotated) {
    throw new FormatError('Validation images of Tiny ImageNet are missing.', {
      where: `${location}: val/images/`,
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
