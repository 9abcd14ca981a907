import { createHash } from 'node:crypto';
import { FormatError, type ImageSplit } from '@kora-bench/core';
import type { ContentSource } from '../content/content-source.js';
import type { ExamplePart } from '../decode/stored-example.js';
import { type StoredSplitDescription, storedSplit } from './stored-split.js';

/** The files of one example, as places in the entries of a source. */
export interface FileExample {
  readonly image: number;
  readonly mask?: number;
  readonly depth?: number;
}

/** A split whose examples are files: `paths`, `content` and `store` follow from them. */
export interface FileSplitDescription
  extends Pick<StoredSplitDescription, 'dataset' | 'split' | 'targets' | 'encoding' | 'notes'> {
  readonly source: ContentSource;
  readonly examples: readonly FileExample[];
}

const partNames = ['image', 'mask', 'depth'] as const satisfies readonly ExamplePart[];

/**
 * A split of image files, with a PNG file of the mask or the depth beside each where the targets say so.
 *
 * @throws FormatError when there are no examples, or a file cannot be read
 */
export async function fileSplit(description: FileSplitDescription, cacheDir: string): Promise<ImageSplit> {
  const { source, examples, ...rest } = description;
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
      paths: examples.map(({ image }) => source.entries[image]!.path),
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
