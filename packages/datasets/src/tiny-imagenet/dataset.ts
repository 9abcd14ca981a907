import { createHash } from 'node:crypto';
import { type DataContext, FormatError, type ImageDataset, type ImageSplit } from '@kora-bench/core';
import type { ContentSource } from '../content/content-source.js';
import type { ExampleStore } from '../split/example-store.js';
import { storedSplit } from '../split/stored-split.js';
import { parseClasses, parseValAnnotations } from './annotations.js';
import { IMAGE_PATH } from './locate.js';

export const NAME = 'tiny-imagenet';

const NOTES = [
  'Tiny ImageNet is cut from ImageNet: a backbone pre-trained on ImageNet has very likely seen these ' +
    'images, or others of these classes, with their labels.',
];

/** The official validation images serve as `test`: the labels of the official test images are not public. */
const OFFICIAL = { train: 100_000, test: 10_000 } as const;

/** @throws FormatError when files and label lists do not fit each other. */
export async function openTinyImageNet(source: ContentSource, context: DataContext): Promise<ImageDataset> {
  const texts = await readTexts(source);
  const { wnids, names } = parseClasses(texts.wnids, texts.words, source.location);
  const labelOf = new Map(wnids.map((id, label): [string, number] => [id, label]));
  const valIds = parseValAnnotations(texts.annotations, source.location);
  const checksums = await source.checksums();

  const build = (split: keyof typeof OFFICIAL): ImageSplit => {
    const chosen: number[] = [];
    const labels: number[] = [];
    source.entries.forEach(({ path }, entry) => {
      const match = IMAGE_PATH.exec(path);
      if (match === null || path.startsWith('train/') !== (split === 'train')) return;
      const wnid = split === 'train' ? match[1]! : valIds.get(path.slice(path.lastIndexOf('/') + 1));
      const label = wnid === undefined ? undefined : labelOf.get(wnid);
      if (label === undefined) throw unknownClass(source.location, path, wnid);
      chosen.push(entry);
      labels.push(label);
    });
    checkComplete(source.location, split, labels, wnids, valIds.size);
    const content = createHash('sha256');
    for (const entry of chosen) content.update(`${checksums[entry]!} ${source.entries[entry]!.size}\n`);
    return storedSplit(
      {
        dataset: NAME,
        split,
        targets: { label: { classNames: names, labels: Int32Array.from(labels) } },
        paths: chosen.map((entry) => source.entries[entry]!.path),
        content: content.digest('hex'),
        notes: [...NOTES, ...partNote(split, chosen.length)],
        store: imageFiles(source, chosen),
      },
      context.cacheDir,
    );
  };
  return { name: NAME, train: build('train'), test: build('test') };
}

function partNote(split: keyof typeof OFFICIAL, found: number): string[] {
  if (found === OFFICIAL[split]) return [];
  return [`This is a part of Tiny ImageNet: ${found} of the ${OFFICIAL[split]} images of ${split}.`];
}

async function readTexts(source: ContentSource) {
  const reader = await source.open();
  const read = async (path: string): Promise<string> => {
    const entry = source.entries.findIndex((candidate) => candidate.path === path);
    if (entry >= 0) return new TextDecoder().decode(await reader.read(entry));
    throw new FormatError('Tiny ImageNet is not complete.', {
      where: source.location,
      expected: `a file ${path}`,
      received: 'none',
      fix: 'Download or unpack the data set again.',
    });
  };
  try {
    return {
      wnids: await read('wnids.txt'),
      words: await read('words.txt'),
      annotations: await read('val/val_annotations.txt'),
    };
  } finally {
    await reader.close();
  }
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
  split: keyof typeof OFFICIAL,
  labels: readonly number[],
  wnids: readonly string[],
  annotated: number,
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

function imageFiles(source: ContentSource, chosen: readonly number[]): ExampleStore {
  return {
    async open() {
      const reader = await source.open();
      return {
        read: async (index) => ({ kind: 'encoded', bytes: await reader.read(chosen[index]!) }),
        where: (index) => `${source.location}: ${source.entries[chosen[index]!]!.path}`,
        close: () => reader.close(),
      };
    },
  };
}
