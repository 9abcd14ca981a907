import { createHash } from 'node:crypto';
import type { ImageSplit, Preprocessing } from '@kora-bench/core/data';
import { InputError } from '@kora-bench/core/errors';
import {
  createProceduralDataset,
  type ProceduralDatasetName,
  proceduralDatasets,
} from '@kora-bench/datasets';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

const nativePreprocessing: Preprocessing = {
  imageSize: [64, 64],
  interpolation: 'bilinear',
  cropPct: 1,
  mean: [0.5, 0.5, 0.5],
  std: [0.5, 0.5, 0.5],
};
const datasetNames = proceduralDatasets.map((d) => d.name) as ProceduralDatasetName[];
const noContext = { dataDir: '', cacheDir: '' };

/** Pictures that must never change: a change of the renderer needs a new version of its family. */
const pinnedPictures = [
  ['procedural-source', 0, '486cbb0af33f73dcff67e9d8d889bbfb1c54a33566d49b214379d4a929b7e157'],
  ['procedural-source', 1234, 'f168b504291f23a765bace081dd424500807e006fd9be10e010e2315953ac50c'],
  ['procedural-transfer', 4321, '717a5e34aa85e6dec9b538b3537c450668d5a4fa5cf38686fbd6afce262ca39d'],
  ['procedural-segmentation', 123, '8bdef182673b22810cf04218a64dcd90a3c0ecae5f86c7846c9f4238e729ffe4'],
  ['procedural-depth', 77, '356bf853de0e8a146945b1cd740edb59e83a400dda5642f9759e58e2c0f1fbaf'],
  ['procedural-pretrain', 50000, '582ce80df3bd1e5f3290d833fde84b6764a4ad6e3b0f16e558a428beeca30beb'],
] as const;

async function readOne(split: ImageSplit, index: number, preprocessing = nativePreprocessing) {
  const reader = await split.open(preprocessing);
  const batch = await reader.read([index]);
  await reader.close();
  return batch;
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

describe('the same bytes on every machine', () => {
  it.each(pinnedPictures)('renders the pinned picture %s[%i]', async (name, index, hash) => {
    const { pixels } = await readOne(createProceduralDataset(name).train, index);
    expect(sha256(pixels)).toBe(hash);
  });

  it.each(proceduralDatasets)('$name passes its own verification', async (definition) => {
    const check = await definition.verify(noContext);
    expect(check.problems).toEqual([]);
    expect(check.ok).toBe(true);
  });

  it('gives a picture the same bytes whatever is read before, with or around it', async () => {
    const { train } = createProceduralDataset('procedural-transfer');
    const reader = await train.open(nativePreprocessing);
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.nat(train.length - 1), { minLength: 1, maxLength: 5 }),
        fc.nat(),
        async (indices, pick) => {
          const at = pick % indices.length;
          const { pixels } = await reader.read(indices);
          const alone = await readOne(train, indices[at]!);
          expect(pixels.slice(at * 12288, (at + 1) * 12288)).toEqual(alone.pixels);
        },
      ),
      { numRuns: 15 },
    );
  });

  it('keeps the examples of a smaller draw in a larger one', async () => {
    const small = createProceduralDataset('procedural-source', { trainPerClass: 2 }).train;
    const full = createProceduralDataset('procedural-source').train;
    expect((await readOne(small, 3 * 2 + 1)).pixels).toEqual((await readOne(full, 3 * 20 + 1)).pixels);
    expect(small.fingerprint).not.toBe(full.fingerprint);
  });

  it('draws other classes and pictures from another seed', async () => {
    const other = createProceduralDataset('procedural-source', { seed: 1 }).train;
    const { train } = createProceduralDataset('procedural-source');
    expect((await readOne(other, 0)).pixels).not.toEqual((await readOne(train, 0)).pixels);
    expect(other.fingerprint).not.toBe(train.fingerprint);
  });
});

describe('splits', () => {
  it.each([
    ['procedural-source', 100, [2000, 500, 1000]],
    ['procedural-transfer', 200, [10_000, 1000, 2000]],
    ['procedural-depth', 0, [500, 100, 200]],
    ['procedural-segmentation', 0, [400, 100, 200]],
    ['procedural-pretrain', 256, [51_200, 1024, 2048]],
  ] as const)('%s has %i balanced classes', async (name, classes, lengths) => {
    const definition = proceduralDatasets.find((d) => d.name === name);
    const dataset = createProceduralDataset(name);
    const splits = [dataset.train, dataset.val, dataset.test];
    expect(definition!.targets).toEqual(Object.keys(dataset.train.targets));
    expect(definition!.classes).toBe(dataset.train.targets.mask?.classNames.length ?? classes);
    expect(splits.map(({ length }) => length)).toEqual(lengths);
    for (const { length, targets } of splits) {
      expect(new Set(targets.label?.classNames).size).toBe(classes);
      const counts = new Array<number>(classes).fill(0);
      for (const label of targets.label?.labels ?? []) counts[label]!++;
      expect(new Set(counts)).toEqual(new Set(classes === 0 ? [] : [length / classes]));
    }
    expect(dataset.train.targets.label?.classNames).toEqual(dataset.test.targets.label?.classNames);
  });

  it.each(datasetNames)('%s lists its files in directory order, each in a folder called images', (name) => {
    const { train, val, test } = createProceduralDataset(name);
    for (const split of [train, val, test]) {
      const { label } = split.targets;
      expect([...split.paths].sort()).toEqual(split.paths);
      expect(new Set(split.paths).size).toBe(split.length);
      const misplaced = split.paths.filter((path, i) => {
        const expected =
          label === undefined ? [split.split] : [split.split, label.classNames[label.labels[i]!]];
        return (
          !path.startsWith(`${[...expected, 'images'].join('/')}/`) ||
          path.split('/').length !== expected.length + 2
        );
      });
      expect(misplaced).toEqual([]);
    }
  });

  it('share no picture and no class, within a family and between families', async () => {
    const hashes: string[] = [];
    const names: string[] = [];
    for (const name of datasetNames) {
      const once = { trainPerClass: 1, valPerClass: 1, testPerClass: 1 };
      const { train, val, test } = createProceduralDataset(name, once);
      for (const split of [train, val, test]) hashes.push(...(await split.contentHashes()));
      names.push(...(train.targets.label?.classNames ?? []));
    }
    expect(hashes.length).toBe(3 * (100 + 200 + 256 + 1 + 1));
    expect(new Set(hashes).size).toBe(hashes.length);
    expect(new Set(names).size).toBe(names.length);
  });

  it('hashes the pixels that a reader gives at the native size', async () => {
    const { test } = createProceduralDataset('procedural-source', { testPerClass: 1 });
    const hashes = await test.contentHashes();
    expect(hashes[42]).toBe(sha256((await readOne(test, 42)).pixels));
  });
});

describe('procedural-segmentation', () => {
  it('shows every class in every split, ground on about half of the pixels', async () => {
    const { train, val, test } = createProceduralDataset('procedural-segmentation');
    for (const split of [train, val, test]) {
      const reader = await split.open({ ...nativePreprocessing, imageSize: [32, 32] });
      const { mask } = await reader.read([...split.paths.keys()]);
      await reader.close();
      const counts = new Array<number>(split.targets.mask!.classNames.length).fill(0);
      for (const label of mask!) counts[label]!++;
      const shares = counts.map((count) => count / mask!.length);
      expect(shares[0]).toBeGreaterThan(0.4);
      expect(shares[0]).toBeLessThan(0.8);
      for (const share of shares) expect(share).toBeGreaterThan(0.015);
    }
  });

  it('has masks that agree with those of three times the size at every centre', async () => {
    // The centre of each pixel is then the centre of one of the finer ones.
    const { train } = createProceduralDataset('procedural-segmentation');
    for (const index of [0, 100, 399]) {
      const coarse = (await readOne(train, index)).mask!;
      const fine = (await readOne(train, index, { ...nativePreprocessing, imageSize: [192, 192] })).mask!;
      const picked = Int32Array.from(
        coarse,
        (_, i) => fine[(3 * Math.floor(i / 64) + 1) * 192 + 3 * (i % 64) + 1]!,
      );
      const different = coarse.filter((label, i) => label !== picked[i]).length;
      // Centres that lie on a border to the last bit may fall to either side.
      expect(different).toBeLessThanOrEqual(2);
    }
  });
});

describe('readers', () => {
  it('render at the size of the model, square or not', async () => {
    const { test } = createProceduralDataset('procedural-depth');
    const { pixels, depth } = await readOne(test, 0, { ...nativePreprocessing, imageSize: [48, 96] });
    expect(pixels.length).toBe(48 * 96 * 3);
    expect(depth?.length).toBe(48 * 96);
  });

  it('narrow the view by cropPct as a centre crop does', async () => {
    const { test } = createProceduralDataset('procedural-depth');
    const whole = (await readOne(test, 5)).depth!;
    const crop = (await readOne(test, 5, { ...nativePreprocessing, imageSize: [32, 32], cropPct: 0.5 }))
      .depth!;
    for (let row = 0; row < 32; row++) {
      for (let column = 0; column < 32; column++) {
        expect(crop[row * 32 + column]).toBeCloseTo(whole[(row + 16) * 64 + column + 16]!, 5);
      }
    }
  });

  it('crop masks as they crop pictures', async () => {
    const { test } = createProceduralDataset('procedural-segmentation');
    const whole = (await readOne(test, 5)).mask!;
    const crop = (await readOne(test, 5, { ...nativePreprocessing, imageSize: [32, 32], cropPct: 0.5 }))
      .mask!;
    for (let row = 0; row < 32; row++) {
      const start = (row + 16) * 64 + 16;
      expect(crop.subarray(row * 32, (row + 1) * 32)).toEqual(whole.subarray(start, start + 32));
    }
  });

  it('refuse an index that does not exist', async () => {
    const { test } = createProceduralDataset('procedural-source');
    const reader = await test.open(nativePreprocessing);
    await expect(reader.read([0, test.length])).rejects.toMatchObject({ code: 'INPUT', where: 'indices[1]' });
    await expect(reader.read([0.5])).rejects.toBeInstanceOf(InputError);
  });

  it.each([
    [{ imageSize: [0, 64] as const }, 'preprocessing.imageSize[0]'],
    [{ imageSize: [64, 1.5] as const }, 'preprocessing.imageSize[1]'],
    [{ cropPct: 0 }, 'preprocessing.cropPct'],
    [{ cropPct: 1.2 }, 'preprocessing.cropPct'],
  ])('refuse the preprocessing %j', async (wrong, where) => {
    const { test } = createProceduralDataset('procedural-source');
    await expect(test.open({ ...nativePreprocessing, ...wrong })).rejects.toMatchObject({
      code: 'INPUT',
      where,
    });
  });

  it('refuse a number of examples that is not a positive integer', () => {
    expect(() => createProceduralDataset('procedural-source', { trainPerClass: 0 })).toThrow(InputError);
    expect(() => createProceduralDataset('procedural-source', { valPerClass: 2.5 })).toThrow(InputError);
  });
});
