import { createHash } from 'node:crypto';
import type { ImageDataset, ImageSplit, SplitName } from '@kora-bench/core/data';
import { randomStream } from '@kora-bench/core/random';

/** What makes a split of small pictures that exist in memory alone. */
export interface MemorySplitSpec {
  readonly dataset?: string;
  readonly split: SplitName;
  readonly labels: readonly number[];
  readonly classes: number;
  /** Number of the picture shown by each example; equal numbers are equal pictures. Different by default. */
  readonly pictures?: readonly number[];
  /** Pictures that look the same when flipped left to right. */
  readonly symmetric?: boolean;
  /** The kind of targets that the split has; the labels are the masks' classes too. */
  readonly target?: 'label' | 'depth' | 'mask';
  pathOf?(index: number, label: number): string;
}

export interface MemorySplit extends ImageSplit {
  /** Places of all examples read so far, in order. */
  readonly reads: number[];
  /** How often all content hashes were computed. */
  readonly hashed: { times: number };
}

const firstPicture: Readonly<Record<SplitName, number>> = { train: 0, val: 10_000, test: 5000 };

/** A split whose pictures are noise around one colour per class. */
export function memorySplit(spec: MemorySplitSpec): MemorySplit {
  const { split, labels, classes, symmetric = false, target = 'label', dataset = 'memory' } = spec;
  const reads: number[] = [];
  const hashed = { times: 0 };
  const pictures = spec.pictures ?? labels.map((_, i) => firstPicture[split] + i);
  const pathOf = spec.pathOf ?? ((i, label) => `${split}/class${label}/${i}.png`);
  const classNames = Array.from({ length: classes }, (_, i) => `class ${i}`);
  const render = (index: number, height: number, width: number): Uint8Array => {
    const stream = randomStream(pictures[index]!, 'picture');
    const label = labels[index]!;
    const colour = [0, 1, 2].map((channel) => 64 + ((label * (37 + 21 * channel)) % 128));
    const pixels = new Uint8Array(height * width * 3);
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) {
        for (let channel = 0; channel < 3; channel++) {
          const at = (y * width + x) * 3 + channel;
          const mirrored = (y * width + (width - 1 - x)) * 3 + channel;
          const fresh = colour[channel]! + 64 * stream.uniform();
          pixels[at] = symmetric && x >= width / 2 ? pixels[mirrored]! : fresh;
        }
      }
    }
    return pixels;
  };
  return {
    reads,
    hashed,
    dataset,
    split,
    length: labels.length,
    targets:
      target === 'depth'
        ? { depth: {} }
        : target === 'mask'
          ? { mask: { classNames } }
          : { label: { classNames, labels: Int32Array.from(labels) } },
    paths: labels.map((label, i) => pathOf(i, label)),
    fingerprint: createHash('sha256')
      .update(JSON.stringify({ dataset, split, labels, classes, pictures, symmetric, target }))
      .digest('hex'),
    notes: [`pictures in memory <${dataset}>`],
    async contentHashes(indices = [...labels.keys()]) {
      hashed.times++;
      return indices.map((i) =>
        createHash('sha256')
          .update(render(i, 8, 8))
          .digest('hex'),
      );
    },
    async open({ imageSize: [height, width] }) {
      return {
        async read(indices) {
          reads.push(...indices);
          const size = height * width;
          const pixels = new Uint8Array(indices.length * size * 3);
          for (const [i, index] of indices.entries()) pixels.set(render(index, height, width), i * size * 3);
          const length = indices.length * size;
          const exampleOf = (i: number) => indices[Math.floor(i / size)]!;
          if (target === 'mask')
            return { pixels, mask: Int32Array.from({ length }, (_, i) => labels[exampleOf(i)]!) };
          if (target === 'label') return { pixels };
          const depth = Float32Array.from(
            { length },
            (_, i) => 2.5 + (((i % size) + pictures[exampleOf(i)]!) % size) / size,
          );
          return { pixels, depth };
        },
        close: async () => undefined,
      };
    },
  };
}

/** 0, 1, …, classes − 1, 0, 1, … */
export function cyclicLabels(length: number, classes: number): number[] {
  return Array.from({ length }, (_, i) => i % classes);
}

/** How large the splits of {@link memoryDataset} are. */
export interface MemorySizes {
  readonly train: number;
  /** As many as there are classes by default; 0 leaves the split out. */
  readonly val?: number;
  readonly test: number;
  readonly classes: number;
}

export interface MemoryDataset extends ImageDataset {
  readonly train: MemorySplit;
  readonly test: MemorySplit;
}

/** A data set with examples spread evenly over the classes. */
export function memoryDataset(
  { train, val, test, classes }: MemorySizes,
  more: Partial<MemorySplitSpec> = {},
): MemoryDataset {
  const part = (split: SplitName, length: number) =>
    memorySplit({ labels: cyclicLabels(length, classes), classes, ...more, split });
  return {
    name: more.dataset ?? 'memory',
    train: part('train', train),
    ...(val !== 0 && { val: part('val', val ?? classes) }),
    test: part('test', test),
  };
}
