import type { ImageSplit, Preprocessing } from '@kora-bench/core/data';
import { storedSplit } from '@kora-bench/datasets';

/** Preprocessing to `size` × `size`, with the normalisation of the augreg checkpoints. */
export function preprocessing(size: number): Preprocessing {
  return {
    imageSize: [size, size],
    interpolation: 'bicubic',
    cropPct: 1,
    mean: [0.5, 0.5, 0.5],
    std: [0.5, 0.5, 0.5],
  };
}

export interface SyntheticSplit {
  readonly split: ImageSplit;
  /** Examples read from the store since the start, in order. */
  readonly reads: number[];
}

/** 8 × 8 images whose bytes depend on the index; label = index modulo `classes`. */
export function syntheticSplit(length: number, classes: number, cacheDir: string): SyntheticSplit {
  const reads: number[] = [];
  const split = storedSplit(
    {
      dataset: 'synthetic',
      split: 'train',
      targets: {
        label: {
          classNames: Array.from({ length: classes }, (_, i) => `class ${i}`),
          labels: Int32Array.from({ length }, (_, i) => i % classes),
        },
      },
      paths: Array.from({ length }, (_, i) => `train/${i}`),
      content: `${length} images`,
      notes: ['synthetic'],
      store: {
        open: async () => ({
          read: async (index) => {
            reads.push(index);
            return { image: { kind: 'rgb', bytes: syntheticPixels(index), height: 8, width: 8 } };
          },
          where: (index) => `image ${index}`,
          close: async () => undefined,
        }),
      },
    },
    cacheDir,
  );
  return { split, reads };
}

/** The stored bytes of image `index`, `[8, 8, 3]`. */
export function syntheticPixels(index: number): Uint8Array {
  return Uint8Array.from({ length: 8 * 8 * 3 }, (_, i) => i * 7 + index * 31);
}
