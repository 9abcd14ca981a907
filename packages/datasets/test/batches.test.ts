import type { ImageSplit, PixelReader } from '@kora-bench/core/data';
import { type Batch, type BatchOptions, batches } from '@kora-bench/datasets';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { failureOf } from './support/failure-of.js';
import { preprocessing } from './support/synthetic-split.js';

const imageSide = 16;
const planePixels = imageSide * imageSide;

const split = (length: number, kind: 'label' | 'depth' = 'label'): ImageSplit => ({
  dataset: 'memory',
  split: 'train',
  length,
  targets:
    kind === 'depth'
      ? { depth: {} }
      : { label: { classNames: ['a', 'b', 'c'], labels: Int32Array.from({ length }, (_, i) => i % 3) } },
  paths: Array.from({ length }, (_, i) => `${i}`),
  fingerprint: 'memory',
  notes: [],
  contentHashes: async () => [],
  open: async () => memoryReader(),
});

const pixel = (index: number, y: number, x: number, c: number) => (index * 17 + y * 5 + x * 3 + c * 50) & 255;

/** Pixels by formula; depth of each pixel is its row plus a hundredth of its column. */
function memoryReader(onRead: (indices: readonly number[]) => void = () => undefined): PixelReader {
  return {
    async read(indices) {
      onRead(indices);
      const pixels = new Uint8Array(indices.length * planePixels * 3);
      const depth = new Float32Array(indices.length * planePixels);
      indices.forEach((index, b) => {
        for (let y = 0; y < imageSide; y++) {
          for (let x = 0; x < imageSide; x++) {
            depth[b * planePixels + y * imageSide + x] = y + x / 100;
            for (let c = 0; c < 3; c++) {
              pixels[(b * planePixels + y * imageSide + x) * 3 + c] = pixel(index, y, x, c);
            }
          }
        }
      });
      return { pixels, depth };
    },
    close: async () => undefined,
  };
}

async function collect(order: number[], batchSize: number, options: Partial<BatchOptions> = {}) {
  const found: Batch[] = [];
  const all = { preprocessing: preprocessing(imageSide), ...options };
  for await (const batch of batches(split(20), memoryReader(), order, { batchSize, ...all }))
    found.push({ ...batch, images: batch.images.slice() });
  return found;
}

test('a batch keeps its images while the next ones are made', async () => {
  const order = Array.from({ length: 12 }, (_, i) => i);
  const options = { batchSize: 2, preprocessing: preprocessing(imageSide) };
  const seen = new Set<ArrayBufferLike>();
  for await (const { images } of batches(split(20), memoryReader(), order, options)) {
    const atFirst = images.slice();
    await new Promise((resolve) => setTimeout(resolve, 5));
    expect(images).toEqual(atFirst);
    seen.add(images.buffer);
  }
  expect(seen.size).toBeLessThan(6);
});

test('images are normalised, channel by channel, and come with their labels in order', async () => {
  const mean = [0.1, 0.2, 0.3] as const;
  const std = [0.5, 0.25, 2] as const;
  const found = await collect([7, 3, 11], 2, { preprocessing: { ...preprocessing(imageSide), mean, std } });
  expect(found.map(({ indices }) => [...indices])).toEqual([[7, 3], [11]]);
  expect(found.map(({ targets }) => [...targets.label!.data])).toEqual([[1, 0], [2]]);
  expect(found[1]!.images).toHaveLength(3 * planePixels);
  for (const [c, y, x] of [
    [0, 0, 0],
    [1, 3, 15],
    [2, 15, 4],
  ] as const) {
    const expected = (pixel(3, y, x, c) / 255 - mean[c]) / std[c];
    expect(found[0]!.images[(3 + c) * planePixels + y * imageSide + x]).toBeCloseTo(expected, 5);
  }
});

test('every example comes once and in order, whatever the batch size', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.integer({ min: 0, max: 19 }), { minLength: 1, maxLength: 12 }),
      fc.integer({ min: 1, max: 14 }),
      async (order, batchSize) => {
        const found = await collect(order, batchSize);
        expect(found.flatMap(({ indices }) => [...indices])).toEqual(order);
        expect(found.slice(0, -1).every(({ indices }) => indices.length === batchSize)).toBe(true);
      },
    ),
    { numRuns: 30 },
  );
});

test('dropLast leaves the short batch out', async () => {
  const found = await collect([0, 1, 2, 3, 4], 2, { dropLast: true });
  expect(found.flatMap(({ indices }) => [...indices])).toEqual([0, 1, 2, 3]);
});

test('an augmented example depends on seed, epoch and index, not on its place', async () => {
  const options = { augmentation: 'crop-flip', seed: 3, epoch: 1 } as const;
  const [whole] = await collect([0, 1, 2, 3, 4, 5], 6, options);
  const parts = await collect([5, 4, 3, 2, 1, 0], 1, options);
  parts.forEach((part, i) => {
    const at = (5 - i) * 3 * planePixels;
    expect(part.images).toEqual(whole!.images.slice(at, at + 3 * planePixels));
  });
  const [later] = await collect([0, 1, 2, 3, 4, 5], 6, { ...options, epoch: 2 });
  const [other] = await collect([0, 1, 2, 3, 4, 5], 6, { ...options, seed: 4 });
  expect(later!.images).not.toEqual(whole!.images);
  expect(other!.images).not.toEqual(whole!.images);
});

test('flip mirrors about half of the images, and moves depth with them', async () => {
  const order = Array.from({ length: 200 }, (_, i) => i);
  const options = { preprocessing: preprocessing(imageSide), augmentation: 'flip' } as const;
  let mirrored = 0;
  for await (const batch of batches(split(200, 'depth'), memoryReader(), order, {
    batchSize: 1,
    ...options,
  })) {
    const red = (x: number) => batch.images[x]! * 127.5 + 127.5;
    const index = batch.indices[0]!;
    const isMirrored = Math.abs(red(0) - pixel(index, 0, imageSide - 1, 0)) < 0.01;
    if (!isMirrored) expect(red(0)).toBeCloseTo(pixel(index, 0, 0, 0), 2);
    expect(batch.targets.depth!.data[3 * imageSide]).toBeCloseTo(isMirrored ? 3.15 : 3, 5);
    expect(batch.targets.label).toBeUndefined();
    if (isMirrored) mirrored++;
  }
  expect(mirrored).toBeGreaterThan(70);
  expect(mirrored).toBeLessThan(130);
});

test('crop-flip shifts by up to an eighth, and fills by reflection', async () => {
  const order = Array.from({ length: 300 }, (_, i) => i);
  const options = { preprocessing: preprocessing(imageSide), augmentation: 'crop-flip' } as const;
  const tops = new Set<number>();
  for await (const { targets } of batches(split(300, 'depth'), memoryReader(), order, {
    batchSize: 1,
    ...options,
  })) {
    const rows = Array.from({ length: imageSide }, (_, y) =>
      Math.floor(targets.depth!.data[y * imageSide]! + 1e-4),
    );
    const shift = rows[8]! - 8;
    tops.add(shift);
    const reflected = (y: number) => (y < 0 ? -y : y > 15 ? 30 - y : y);
    expect(rows).toEqual(rows.map((_, y) => reflected(y + shift)));
  }
  expect([...tops].sort((a, b) => a - b)).toEqual([-2, -1, 0, 1, 2]);
});

test('the next batches are read while the consumer works, but no more than two', async () => {
  const started: number[] = [];
  const reader = memoryReader(([first]) => started.push(first!));
  const options = { preprocessing: preprocessing(imageSide) };
  const iterator = batches(split(20), reader, [0, 1, 2, 3, 4, 5, 6], { batchSize: 1, ...options });
  await iterator.next();
  await new Promise((resolve) => setTimeout(resolve, 20));
  expect(started).toEqual([0, 1, 2]);
  await iterator.next();
  await new Promise((resolve) => setTimeout(resolve, 20));
  expect(started).toEqual([0, 1, 2, 3]);
  await iterator.return();
  expect(started).toEqual([0, 1, 2, 3]);
});

test('a consumer that stops early waits for the reads under way', async () => {
  let open = 0;
  const inner = memoryReader();
  const reader: PixelReader = {
    async read(indices) {
      open++;
      await new Promise((resolve) => setTimeout(resolve, 10));
      open--;
      return inner.read(indices);
    },
    close: inner.close,
  };
  for await (const _ of batches(split(20), reader, [0, 1, 2, 3], {
    batchSize: 1,
    preprocessing: preprocessing(imageSide),
  })) {
    break;
  }
  expect(open).toBe(0);
});

test('a failure comes in its turn, after the batches before it', async () => {
  const reader = memoryReader(([first]) => {
    if (first === 2) throw new Error('damaged');
  });
  const seen: number[] = [];
  const iterate = async () => {
    const options = { preprocessing: preprocessing(imageSide) };
    for await (const { indices } of batches(split(20), reader, [0, 1, 2, 3], { batchSize: 1, ...options })) {
      seen.push(indices[0]!);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  };
  await expect(iterate()).rejects.toThrow('damaged');
  expect(seen).toEqual([0, 1]);
});

test.each([
  ['batchSize', [0, 1], 0, {}],
  ['batchSize', [0, 1], 3, { dropLast: true }],
  ['order[1]', [0, 20], 1, {}],
  ['augmentation', [0], 1, { augmentation: 'rotate' as 'flip' }],
  [
    'preprocessing.mean, preprocessing.std',
    [0],
    1,
    { preprocessing: { ...preprocessing(8), std: [1, 0, 1] as const } },
  ],
  ['preprocessing.imageSize', [0], 1, { preprocessing: preprocessing(8) }],
  ['preprocessing.cropPct', [0], 1, { preprocessing: { ...preprocessing(8), cropPct: 1.2 } }],
] as const)('%s that is not valid is refused by name', async (where, order, batchSize, options) => {
  const failure = await failureOf(collect([...order], batchSize, options));
  expect(failure.where).toBe(where);
  expect(failure.code).toBe('INPUT');
});
