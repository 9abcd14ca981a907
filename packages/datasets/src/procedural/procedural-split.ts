import { createHash } from 'node:crypto';
import type { ImageSplit, PixelBatch, PixelReader, Preprocessing, SplitName } from '@kora-bench/core/data';
import { InputError } from '@kora-bench/core/errors';
import type { View } from './canvas.js';
import type { ProceduralFamily, RenderedImage } from './family.js';
import { renderExample } from './family.js';

/** Height and width of the pictures as the data set defines them, in pixels. */
export const proceduralImageSize = 64;

/** Rendered pictures are kept up to this many bytes per reader; the rest are rendered again. */
const mostCachedBytes = 32 * 2 ** 20;

const nativeView: View = { width: proceduralImageSize, height: proceduralImageSize, extent: 1 };

/** What determines a split of a procedural data set. */
export interface ProceduralSplitOptions {
  readonly dataset: string;
  /** Raised with every change of a family that changes a byte. */
  readonly version: number;
  readonly seed: number;
  readonly split: SplitName;
  /** Examples of each class; of the whole split where pictures have no label. */
  readonly perClass: number;
  readonly notes?: readonly string[];
}

/**
 * A split whose example `i` is rendered when asked for, from a random stream of its own: the pixels
 * depend on (seed, data set, split, class, number) only, so that splits share no example and a
 * larger `perClass` keeps the examples of a smaller one.
 */
export function proceduralSplit(family: ProceduralFamily, options: ProceduralSplitOptions): ImageSplit {
  const { dataset, version, seed, split, perClass, notes = [] } = options;
  const { classNames, target } = family;
  const isLabelled = target === 'label';
  const length = isLabelled ? classNames.length * perClass : perClass;
  const digits = String(perClass - 1).length;
  const labelOf = (i: number) => (isLabelled ? Math.floor(i / perClass) : 0);
  const paths = Array.from({ length }, (_, i) => {
    const folder = isLabelled ? `${split}/${classNames[labelOf(i)]}` : split;
    return `${folder}/images/${String(i % perClass).padStart(digits, '0')}.png`;
  });

  const render = (index: number, view: View): RenderedImage => {
    const label = labelOf(index);
    return renderExample(family, { dataset, seed, split, label, number: index % perClass }, view);
  };

  return {
    dataset,
    split,
    length,
    targets: {
      label: { label: { classNames, labels: Int32Array.from({ length }, (_, i) => labelOf(i)) } },
      mask: { mask: { classNames } },
      depth: { depth: {} },
    }[target],
    paths,
    fingerprint: sha256(JSON.stringify({ dataset, version, seed, split, perClass, classNames })),
    notes,
    contentHashes: (indices = Array.from({ length }, (_, i) => i)) =>
      hashPictures(indices, (i) => render(i, nativeView).pixels),
    async open(preprocessing) {
      return openReader(length, viewOf(preprocessing), render);
    },
  };
}

function sha256(data: string | Uint8Array): string {
  return createHash('sha256').update(data).digest('hex');
}

/** Hashes in small portions so that a progress display or a signal gets its turn in between. */
async function hashPictures(
  indices: readonly number[],
  pixels: (index: number) => Uint8Array,
): Promise<readonly string[]> {
  const hashes: string[] = [];
  while (hashes.length < indices.length) {
    const portion = indices.slice(hashes.length, hashes.length + 64);
    hashes.push(...portion.map((index) => sha256(pixels(index))));
    await new Promise((resolve) => setImmediate(resolve));
  }
  return hashes;
}

/**
 * The scene is rendered at the model's own size instead of being resized, so that no resampling
 * filter comes in (`interpolation` has no effect); `cropPct` narrows the view as a centre crop does.
 */
function viewOf({ imageSize, cropPct }: Preprocessing): View {
  const [height, width] = imageSize;
  for (const [name, size] of [
    ['imageSize[0]', height],
    ['imageSize[1]', width],
  ] as const) {
    if (!Number.isInteger(size) || size < 1 || size > 4096) {
      throw new InputError('The image size is not valid.', {
        where: `preprocessing.${name}`,
        expected: 'an integer from 1 to 4096',
        received: String(size),
        fix: 'Give the height and width of the input of the model, e.g. [64, 64].',
      });
    }
  }
  if (!(cropPct > 0 && cropPct <= 1)) {
    throw new InputError('The crop is not valid.', {
      where: 'preprocessing.cropPct',
      expected: 'a number above 0 and at most 1',
      received: String(cropPct),
      fix: 'Give 1 for the whole picture.',
    });
  }
  return { height, width, extent: cropPct };
}

function openReader(
  length: number,
  view: View,
  render: (index: number, view: View) => RenderedImage,
): PixelReader {
  const area = view.width * view.height;
  let left = mostCachedBytes;
  const cache = new Map<number, RenderedImage>();
  const get = (index: number): RenderedImage => {
    const known = cache.get(index);
    if (known !== undefined) return known;
    const image = render(index, view);
    const bytes = image.pixels.length + 4 * ((image.depth?.length ?? 0) + (image.mask?.length ?? 0));
    if (bytes <= left) {
      cache.set(index, image);
      left -= bytes;
    }
    return image;
  };
  return {
    async read(indices): Promise<PixelBatch> {
      for (const [at, index] of indices.entries()) {
        if (!Number.isInteger(index) || index < 0 || index >= length) {
          throw new InputError('There is no such example.', {
            where: `indices[${at}]`,
            expected: `an integer from 0 to ${length - 1}`,
            received: String(index),
            fix: 'Give the index of an example of this split.',
          });
        }
      }
      const images = indices.map(get);
      const pixels = new Uint8Array(indices.length * area * 3);
      images.forEach((image, at) => {
        pixels.set(image.pixels, at * area * 3);
      });
      if (images[0]?.depth !== undefined) {
        const depth = new Float32Array(indices.length * area);
        images.forEach((image, at) => {
          depth.set(image.depth!, at * area);
        });
        return { pixels, depth };
      }
      if (images[0]?.mask === undefined) return { pixels };
      const mask = new Int32Array(indices.length * area);
      images.forEach((image, at) => {
        mask.set(image.mask!, at * area);
      });
      return { pixels, mask };
    },
    async close() {
      cache.clear();
    },
  };
}
