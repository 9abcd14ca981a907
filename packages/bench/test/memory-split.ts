import { createHash } from 'node:crypto';
import type { ImageDataset, ImageSplit } from '@kora-bench/core';
import { randomStream } from '@kora-bench/core';

/** What makes a split of small pictures that exist in memory alone. */
export interface MemorySplitSpec {
  readonly dataset?: string;
  readonly split: 'train' | 'val';
  readonly labels: readonly number[];
  readonly classes: number;
  /** Number of the picture shown by each example; equal numbers are equal pictures. Different by default. */
  readonly pictures?: readonly number[];
  /** Pictures that look the same when flipped left to right. */
  readonly symmetric?: boolean;
  readonly task?: 'classification' | 'depth';
  pathOf?(index: number, label: number): string;
}

export interface MemorySplit extends ImageSplit {
  /** Places of all examples read so far, in order. */
  readonly reads: number[];
  /** How often all content hashes were computed. */
  readonly hashed: { times: number };
}

/** A split whose pictures are noise around one colour per class. */
export function memorySplit(spec: MemorySplitSpec): MemorySplit {
  const { split, labels, classes, symmetric = false, task = 'classification', dataset = 'memory' } = spec;
  const isDepth = task === 'depth';
  const reads: number[] = [];
  const hashed = { times: 0 };
  const pictures = spec.pictures ?? labels.map((_, i) => (split === 'val' ? 5000 : 0) + i);
  const pathOf = spec.pathOf ?? ((i, label) => `${split}/class${label}/${i}.png`);
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
    task,
    length: labels.length,
    classNames: isDepth ? [] : Array.from({ length: classes }, (_, i) => `class ${i}`),
    labels: Int32Array.from(isDepth ? [] : labels),
    paths: labels.map((label, i) => pathOf(i, label)),
    fingerprint: createHash('sha256')
      .update(JSON.stringify({ dataset, split, labels, classes, pictures, symmetric, task }))
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
          if (!isDepth) return { pixels };
          const depth = Float32Array.from(
            { length: indices.length * size },
            (_, i) => 2.5 + (((i % size) + pictures[indices[Math.floor(i / size)]!]!) % size) / size,
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

/** A data set with `train` and `val` examples spread evenly over the classes. */
export function memoryDataset(
  { train, val, classes }: { train: number; val: number; classes: number },
  more: Partial<MemorySplitSpec> = {},
): ImageDataset & { readonly train: MemorySplit; readonly val: MemorySplit } {
  const half = (split: 'train' | 'val', length: number) =>
    memorySplit({ labels: cyclicLabels(length, classes), classes, ...more, split });
  return { name: more.dataset ?? 'memory', train: half('train', train), val: half('val', val) };
}
