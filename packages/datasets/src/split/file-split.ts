import { createHash } from 'node:crypto';
import type { ImageSplit } from '@kora-bench/core/data';
import { FormatError } from '@kora-bench/core/errors';
import type { ContentSource } from '../content/content-source.js';
import { imageFile } from '../decode/image-format.js';
import type { ExamplePart } from '../decode/stored-example.js';
import { type StoredSplitDescription, storedSplit } from './stored-split.js';

/** The files of one example, as places in the entries of a source. */
export interface FileExample {
  readonly image: number;
  readonly mask?: number;
  readonly depth?: number;
}

/** A split whose examples are files: `content` and `store` follow from them. */
export interface FileSplitDescription
  extends Pick<StoredSplitDescription, 'dataset' | 'split' | 'targets' | 'encoding' | 'notes'> {
  readonly source: ContentSource;
  readonly examples: readonly FileExample[];
  /** What the examples are called; by default the paths of their images. */
  readonly paths?: readonly string[];
}

const partNames = ['image', 'mask', 'depth'] as const satisfies readonly ExamplePart[];

/**
 * A split of image files, with a PNG file of the mask or the depth beside each where the targets say so.
 *
 * @throws FormatError when there are no examples, or a file cannot be read
 */
export async function fileSplit(description: FileSplitDescription, cacheDir: string): Promise<ImageSplit> {
  const { source, examples, paths, ...rest } = description;
  if (examples.length === 0) {
    throw new FormatError('A split has no images.', {
      where: `${source.location}: ${rest.split}`,
      expected: 'one image or more',
      received: 'none',
      fix: 'Add images, or download the data set again.',
    });
  }
  const files = examples.flatMap((example) => partNames.flatMap((part) => example[part] ?? []));
  const checksums = await source.checksums(files);
  const content = createHash('sha256');
  files.forEach((entry, i) => {
    content.update(`${checksums[i]!} ${source.entries[entry]!.size}\n`);
  });
  return storedSplit(
    {
      ...rest,
      paths: paths ?? examples.map(({ image }) => source.entries[image]!.path),
      content: content.digest('hex'),
      store: {
        async open() {
          const reader = await source.open();
          return {
            async read(index) {
              const { image, mask, depth } = examples[index]!;
              return {
                image: { kind: 'encoded', bytes: await reader.read(image) },
                ...(mask !== undefined && { mask: { kind: 'png', bytes: await reader.read(mask) } }),
                ...(depth !== undefined && { depth: { kind: 'png', bytes: await reader.read(depth) } }),
              };
            },
            where: (index, part) => `${source.location}: ${source.entries[examples[index]![part]!]?.path}`,
            close: () => reader.close(),
          };
        },
      },
    },
    cacheDir,
  );
}

/**
 * The images of one folder, each with the file of the same path in another: `images/a.jpg` with
 * `masks/a.png`. A last word that says what the file is does not count: `a.color.png` and `a_depth.png` are
 * a pair.
 *
 * @param images the folder of the images below the root, e.g. `train/images`
 * @param targets the folder of the masks or of the depth
 * @throws FormatError when an image has no partner, or two
 */
export function pairFiles(
  source: ContentSource,
  images: string,
  targets: string,
  part: 'mask' | 'depth',
): readonly FileExample[] {
  const partners = new Map<string, number>();
  filesIn(source, targets, /\.png$/i).forEach(([name, entry]) => {
    if (partners.has(name)) {
      throw new FormatError(`Two ${part} files could belong to the same image.`, {
        where: `${source.location}: ${source.entries[entry]!.path}`,
        expected: `one PNG file for each image in ${images}/`,
        received: `${source.entries[partners.get(name)!]!.path} too`,
        fix: 'Remove one of them.',
      });
    }
    partners.set(name, entry);
  });
  return filesIn(source, images, imageFile).map(([name, image]) => {
    const partner = partners.get(name);
    if (partner !== undefined) return { image, [part]: partner };
    throw new FormatError(`An image has no ${part}.`, {
      where: `${source.location}: ${source.entries[image]!.path}`,
      expected: `${targets}/${name}.png`,
      received: 'none',
      fix: `Add the ${part}, or remove the image.`,
    });
  });
}

/** Paths below a folder without ending, and places, of the files in it. */
function filesIn(source: ContentSource, folder: string, like: RegExp): (readonly [string, number])[] {
  const found: (readonly [string, number])[] = [];
  source.entries.forEach(({ path }, entry) => {
    const name = path.slice(folder.length + 1);
    if (!path.startsWith(`${folder}/`) || !like.test(name)) return;
    const stem = name.slice(0, name.lastIndexOf('.'));
    found.push([stem.replace(/[._-](?:colou?rs?|rgb|images?|depth|masks?|labels?)$/i, ''), entry]);
  });
  return found;
}
