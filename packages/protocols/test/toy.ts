import type { ImageDataset, ImageSplit, SplitName, Targets } from '@kora-bench/core/data';
import type { ProtocolContext } from '@kora-bench/core/training';
import { trainingSchema } from '@kora-bench/core/training';

/** A split without pixels: protocols choose examples and never open them. */
export function toySplit(split: SplitName, labels: readonly number[], targets?: Targets): ImageSplit {
  const classes = Math.max(...labels) + 1;
  return {
    dataset: 'toy',
    split,
    length: labels.length,
    targets: targets ?? {
      label: {
        classNames: Array.from({ length: classes }, (_, i) => `class ${i}`),
        labels: Int32Array.from(labels),
      },
    },
    paths: labels.map((label, i) => `${split}/class-${label}/images/${i}.png`),
    fingerprint: `${split} ${labels.length}`,
    notes: [],
    contentHashes: async () => [],
    open: () => Promise.reject(new Error('A protocol opened the pixels.')),
  };
}

/** Labels in directory order: so many of class 0, then of class 1, … */
export function inDirectoryOrder(classes: number, perClass: number): number[] {
  return Array.from({ length: classes * perClass }, (_, i) => Math.floor(i / perClass));
}

/** 4 classes of 20 training and 5 test examples; without a validation split. */
export function toyDataset(changes: Partial<ImageDataset> = {}): ImageDataset {
  return {
    name: 'toy',
    train: toySplit('train', inDirectoryOrder(4, 20)),
    test: toySplit('test', inDirectoryOrder(4, 5)),
    ...changes,
  };
}

/** The same without labels: depth per pixel. */
export function depthDataset(): ImageDataset {
  const none = (split: SplitName, length: number) =>
    toySplit(split, new Array<number>(length).fill(0), { depth: {} });
  return { name: 'toy', train: none('train', 80), val: none('val', 10), test: none('test', 20) };
}

export function context(changes: Partial<ProtocolContext> = {}): ProtocolContext {
  return {
    data: toyDataset(),
    preprocessing: {
      imageSize: [8, 8],
      interpolation: 'bicubic',
      cropPct: 0.9,
      mean: [0.5, 0.5, 0.5],
      std: [0.5, 0.5, 0.5],
    },
    training: trainingSchema.parse({ epochs: 3, batchSize: 16, learningRate: 1e-2 }),
    seed: 0,
    ...changes,
  };
}

/** How many examples there are of each class. */
export function perClass({ targets }: ImageSplit): number[] {
  const { classNames, labels } = targets.label!;
  return classNames.map((_, label) => labels.filter((found) => found === label).length);
}
