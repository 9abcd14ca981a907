import type { SplitName } from '@kora-bench/core/data';
import { FormatError } from '@kora-bench/core/errors';
import type { ContentSelection, ContentSource } from '../content/content-source.js';
import { imageFile, imageFormats, otherImageFile } from '../decode/image-format.js';

/*
 * How a folder of one's own is laid out: which splits it has, and what lies beside its images.
 */

/** What teaches: class folders, masks, depth images, or a table of numbers. */
export type LayoutKind = 'label' | 'mask' | 'depth' | 'value';

export interface FolderLayout {
  readonly kind: LayoutKind;
  /**
   * The folder of each split below the root, ending in `/`; `all` (the root) where there are no folders of
   * splits.
   */
  readonly splits: Readonly<Partial<Record<SplitName | 'all', string>>>;
}

const splitFolders: Readonly<Record<string, SplitName>> = {
  train: 'train',
  training: 'train',
  val: 'val',
  valid: 'val',
  validation: 'val',
  test: 'test',
  testing: 'test',
};

/** The two folders of a layout with a target for every pixel. */
export const pairFolders = {
  mask: { images: 'images', targets: 'masks' },
  depth: { images: 'rgb', targets: 'depth' },
} as const;

/** Folders of COCO, Pascal VOC and CamVid, which are no classes. */
const foreignFolders = /^(?:(?:train|val|test)20\d\d|annotations|JPEGImages|SegmentationClass|\w+annot)\/$/i;

const textFile = /(?:^|\/)(?:values\.csv|classes\.txt|dataset\.json)$/;

function isWanted(path: string): boolean {
  return imageFile.test(path) || textFile.test(path) || otherImageFile.test(path);
}

/**
 * All images and texts, and images in formats that are not read, which are named then; folders around them that hold
 * nothing else are not part of the data set.
 */
export const folderSelection: ContentSelection = {
  expected: 'images',
  wanted: isWanted,
  root(paths) {
    const relevant = paths.filter(isWanted);
    const words = new Set([...Object.keys(splitFolders), 'masks', 'rgb', 'depth']);
    let root = '';
    for (;;) {
      const first = relevant[0]?.slice(root.length).split('/') ?? [];
      const folder = first[0]!;
      if (first.length < 2 || words.has(folder.toLowerCase())) return root;
      if (!relevant.every((path) => path.startsWith(`${root}${folder}/`))) return root;
      // A folder around folders; one around images alone is a class.
      if (!relevant.every((path) => path.slice(root.length).split('/').length > 2)) return root;
      root = `${root}${folder}/`;
    }
  },
};

/** The folder or file right below `prefix` that each path goes through. */
export function childrenOf(source: ContentSource, prefix: string): ReadonlySet<string> {
  const children = new Set<string>();
  for (const { path } of source.entries) {
    if (path.startsWith(prefix)) children.add(path.slice(prefix.length).replace(/\/.*$/, '/'));
  }
  return children;
}

/**
 * Recognises the layout of a folder.
 *
 * @throws FormatError when there are no images, or they are laid out in no way that is known
 */
export function recogniseLayout(source: ContentSource): FolderLayout {
  if (!source.entries.some(({ path }) => imageFile.test(path))) {
    const other = source.entries.find(({ path }) => otherImageFile.test(path))?.path;
    const those = other === undefined ? '' : `, but others such as ${other}: save those as PNG or JPEG`;
    throw unknownLayout(source, `no images (${imageFormats}) in it${those}`);
  }
  const splits: Partial<Record<SplitName | 'all', string>> = {};
  for (const child of childrenOf(source, '')) {
    const split = child.endsWith('/') ? splitFolders[child.slice(0, -1).toLowerCase()] : undefined;
    if (split === undefined) continue;
    if (splits[split] !== undefined) throw unknownLayout(source, `both ${splits[split]} and ${child}`);
    splits[split] = child;
  }
  if (splits.train !== undefined && isClass(source, splits.train)) {
    // A class of trains beside one of cars, say.
    return { kind: kindOf(source, ''), splits: { all: '' } };
  }
  if (splits.train === undefined && (splits.val ?? splits.test) !== undefined) {
    throw unknownLayout(source, `${splits.val ?? splits.test} but no train/`);
  }
  if (splits.train === undefined) return { kind: kindOf(source, ''), splits: { all: '' } };
  // One table at the top may list the images of all splits.
  if (childrenOf(source, '').has('values.csv')) return { kind: 'value', splits };
  return { kind: kindOf(source, splits.train), splits };
}

/** Whether a folder holds images and no folders, and lies beside other folders of images, none of them a split. */
function isClass(source: ContentSource, folder: string): boolean {
  const children = [...childrenOf(source, folder)];
  if (children.some((child) => child.endsWith('/') || textFile.test(child))) return false;
  const beside = [...childrenOf(source, '')].filter((child) => child.endsWith('/') && child !== folder);
  return (
    beside.length > 0 && beside.every((child) => splitFolders[child.slice(0, -1).toLowerCase()] === undefined)
  );
}

export function imagesText(count: number): string {
  return count === 1 ? '1 image' : `${count} images`;
}

/** What is seen of a folder and not read: images in other formats, and beside the folders of splits. */
export function leftOut(source: ContentSource, { splits }: FolderLayout): readonly string[] {
  const notes: string[] = [];
  const others = source.entries.filter(({ path }) => otherImageFile.test(path));
  if (others.length > 0) {
    notes.push(
      `Left out: ${imagesText(others.length)} in a format that is not read, e.g. ${others[0]!.path}. Save as PNG or JPEG ` +
        'what is to be in.',
    );
  }
  const folders = Object.values(splits);
  const beside = source.entries.filter(
    ({ path }) => imageFile.test(path) && !folders.some((folder) => path.startsWith(folder)),
  );
  if (beside.length > 0) {
    const outside = `${imagesText(beside.length)} outside of ${folders.sort().join(', ')}`;
    notes.push(`Left out: ${outside}, e.g. ${beside[0]!.path}.`);
  }
  return notes;
}

function kindOf(source: ContentSource, prefix: string): LayoutKind {
  const children = childrenOf(source, prefix);
  if (children.has('values.csv')) return 'value';
  const folders = [...children].filter((child) => child.endsWith('/'));
  for (const kind of ['mask', 'depth'] as const) {
    const { images, targets } = pairFolders[kind];
    const [hasImages, hasTargets] = [children.has(`${images}/`), children.has(`${targets}/`)];
    if (hasImages && hasTargets) return kind;
    if ((hasImages || hasTargets) && folders.length === 1) {
      throw unknownLayout(
        source,
        hasImages
          ? `${prefix}${images}/ without ${prefix}${targets}/ or a values.csv`
          : `${prefix}${targets}/ without ${prefix}${images}/`,
      );
    }
  }
  const foreign = folders.find((folder) => foreignFolders.test(folder));
  if (foreign !== undefined) throw unknownLayout(source, `${prefix}${foreign}, as in a published data set`);
  if (folders.length === 0) throw unknownLayout(source, `images in ${prefix || 'the folder'} itself`);
  return 'label';
}

function unknownLayout(source: ContentSource, received: string): FormatError {
  return new FormatError('This folder is not laid out as a data set.', {
    where: source.location,
    expected:
      'one folder of images for each class; or images/ and masks/; or rgb/ and depth/; or values.csv beside ' +
      'the images; each of them at the top, or in train/, val/ and test/',
    received,
    fix: 'Move the images so, correct the path, or open a published data set by its name.',
  });
}
