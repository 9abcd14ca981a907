import { readdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { PixelBatch, Targets } from '@kora-bench/core/data';
import {
  batches,
  preparePixels,
  prepareTarget,
  type StoredExample,
  type StoredMask,
  type StoredSplitDescription,
  storedSplit,
} from '@kora-bench/datasets';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { failureOf } from './support/failure-of.js';
import { greyPng, imageOf, palettePng } from './support/pixel-files.js';
import { preprocessing } from './support/synthetic-split.js';
import { temporaryFolder } from './support/temporary-folder.js';

const classNames = Array.from({ length: 20 }, (_, i) => `class ${i}`);
const black = (height: number, width: number) =>
  ({ kind: 'rgb', bytes: new Uint8Array(height * width * 3), height, width }) as const;

interface Made {
  readonly targets: Targets;
  readonly encoding?: StoredSplitDescription['encoding'];
  readonly cacheDir?: string;
}

/** A split of these examples, and how often its store was read. */
function splitOf(examples: readonly (() => StoredExample)[], { targets, encoding, cacheDir }: Made) {
  const reads: number[] = [];
  const split = storedSplit(
    {
      dataset: 'stored',
      split: 'train',
      targets,
      ...(encoding && { encoding }),
      paths: examples.map((_, i) => `${i}.png`),
      content: 'stored',
      notes: [],
      store: {
        open: async () => ({
          read: async (index) => {
            reads.push(index);
            return examples[index]!();
          },
          where: (index, part) => `example ${index}, ${part}`,
          close: async () => undefined,
        }),
      },
    },
    cacheDir ?? temporaryFolder(),
  );
  return { split, reads };
}

async function readAll(
  made: ReturnType<typeof splitOf>,
  size: readonly [number, number],
): Promise<PixelBatch> {
  const reader = await made.split.open({ ...preprocessing(8), imageSize: size });
  try {
    return await reader.read([...made.split.paths.keys()]);
  } finally {
    await reader.close();
  }
}

const mask = (bytes: Uint8Array): StoredMask => ({ kind: 'png', bytes });
const masks: Made = { targets: { mask: { classNames } }, encoding: { mask: { unlabelled: [255] } } };

/** 5 × 7 pixels whose indices are their places modulo 2, 4 and 16, with palettes of 1, 2 and 4 bits, by Pillow. */
const narrowMasks = {
  2: 'iVBORw0KGgoAAAANSUhEUgAAAAcAAAAFAQMAAACzVGSbAAAABlBMVEUA/wMB/gNvQiYTAAAAEklEQVR4nGMIYVjFEMKwiiEEAAuaAlHdroItAAAAAElFTkSuQmCC',
  4: 'iVBORw0KGgoAAAANSUhEUgAAAAcAAAAFAgMAAAD09B5LAAAADFBMVEUA/wMB/gMC/QMD/APECMzCAAAAGElEQVR4nGOU/st47B/L6/8suxkYpf8CADRVBqUONpITAAAAAElFTkSuQmCC',
  16: 'iVBORw0KGgoAAAANSUhEUgAAAAcAAAAFBAMAAAB7tOvrAAAAMFBMVEUA/wMB/gMC/QMD/AME+wMF+gMG+QMH+AMI9wMJ9gMK9QML9AMM8wMN8gMO8QMP8AMmbRmwAAAAIUlEQVR4nGNkVFKSZilXUhJhfC+kJMsYpqQkxnD2PaMCADQdBQRHOoZHAAAAAElFTkSuQmCC',
} as const;

test('palette indices survive at every depth, and the value for no class becomes −1', async () => {
  const eight = Uint8Array.from({ length: 35 }, (_, i) => (i === 34 ? 255 : i % 20));
  const grey = Uint8Array.from({ length: 35 }, (_, i) => 19 - (i % 20));
  const files = [
    ...Object.values(narrowMasks).map((text) => new Uint8Array(Buffer.from(text, 'base64'))),
    palettePng(eight, 5, 7),
    greyPng(grey, 5, 7),
  ];
  const made = splitOf(
    files.map((bytes) => () => ({ image: black(5, 7), mask: mask(bytes.slice()) })),
    masks,
  );
  const batch = await readAll(made, [5, 7]);
  expect(batch.mask).toBeInstanceOf(Int32Array);
  expect(batch.depth).toBeUndefined();
  const of = (i: number) => [...batch.mask!.subarray(35 * i, 35 * (i + 1))];
  const place = [...Array(35).keys()];
  expect([of(0), of(1), of(2)]).toEqual([2, 4, 16].map((n) => place.map((i) => i % n)));
  expect(of(3)).toEqual([...eight].map((index) => (index === 255 ? -1 : index)));
  expect(of(4)).toEqual([...grey]);
});

test('depth is in metres, 0 where nothing or too much was measured, and outside the region', async () => {
  const units = Uint16Array.from([0, 1, 1500, 65_535, 10_000, 10_001]);
  const whole = splitOf(
    [() => ({ image: black(2, 3), depth: { kind: 'png', bytes: greyPng(units, 2, 3) } })],
    {
      targets: { depth: { maximum: 10 } },
    },
  );
  const { depth, mask: none } = await readAll(whole, [2, 3]);
  expect(none).toBeUndefined();
  expect([...depth!].map((metres) => Number(metres.toFixed(6)))).toEqual([0, 0.001, 1.5, 0, 10, 0]);

  const bytes = Uint8Array.from({ length: 20 }, (_, i) => i + 1);
  const cropped = splitOf(
    [() => ({ image: black(4, 5), depth: { kind: 'png', bytes: greyPng(bytes, 4, 5) } })],
    {
      targets: { depth: {} },
      encoding: { depth: { bits: 8, metresPerUnit: 0.5, region: { top: 1, left: 2, height: 2, width: 2 } } },
    },
  );
  expect([...(await readAll(cropped, [4, 5])).depth!]).toEqual(
    [...bytes].map((_, i) => ([7, 8, 12, 13].includes(i) ? 0.5 * (i + 1) : 0)),
  );
});

test('pixels given as they are need no file', async () => {
  const values = Float32Array.from([1, 2, Number.NaN, -1]);
  const made = splitOf(
    [
      () => ({
        image: black(2, 2),
        mask: { kind: 'indices', bytes: Uint8Array.from([0, 1, 2, 255]), height: 2, width: 2 },
        depth: { kind: 'metres', metres: values.slice(), height: 2, width: 2 },
      }),
    ],
    { ...masks, targets: { ...masks.targets, depth: {} } },
  );
  const batch = await readAll(made, [2, 2]);
  expect([...batch.mask!]).toEqual([0, 1, 2, -1]);
  expect([...batch.depth!]).toEqual([1, 2, 0, 0]);
});

test('image and targets are resized and cropped alike', async () => {
  const side = fc.integer({ min: 6, max: 40 });
  const size = fc.tuple(fc.integer({ min: 4, max: 24 }), fc.integer({ min: 4, max: 24 }));
  await fc.assert(
    fc.asyncProperty(side, side, size, async (height, width, [rows, columns]) => {
      // Left and right halves are of one colour and class each: the border must come out in the same column.
      const isRight = (i: number) => i % width >= width / 2;
      const area = height * width;
      const bytes = Uint8Array.from({ length: area * 3 }, (_, i) => (isRight(Math.floor(i / 3)) ? 200 : 0));
      const indices = Uint8Array.from({ length: area }, (_, i) => (isRight(i) ? 7 : 3));
      const metres = Float32Array.from({ length: area }, (_, i) => (isRight(i) ? 2 : 1));
      const made = splitOf(
        [
          () => ({
            image: { kind: 'rgb', bytes: bytes.slice(), height, width },
            mask: mask(palettePng(indices, height, width)),
            depth: { kind: 'metres', metres: metres.slice(), height, width },
          }),
        ],
        { ...masks, targets: { ...masks.targets, depth: {} } },
      );
      const geometry = {
        ...preprocessing(8),
        imageSize: [rows, columns],
        interpolation: 'bilinear',
      } as const;
      const batch = await readAll(made, [rows, columns]);
      const expected = new Float32Array(rows * columns);
      prepareTarget(metres, { height, width }, geometry, expected);
      expect(batch.depth).toEqual(expected);
      expect([...batch.mask!]).toEqual([...expected].map((value) => (value === 2 ? 7 : 3)));
      const pixels = preparePixels(bytes, height, width, { ...geometry, interpolation: 'bicubic' });
      expect(batch.pixels).toEqual(pixels);
      for (let i = 0; i < expected.length; i++) {
        const red = pixels[3 * i]!;
        if (red < 40) expect(batch.mask![i]).toBe(3);
        if (red > 160) expect(batch.mask![i]).toBe(7);
      }
    }),
    { numRuns: 12 },
  );
});

test('augmentation moves image, mask and depth together', async () => {
  const [height, width] = [16, 16];
  const indices = Uint8Array.from({ length: 256 }, (_, i) => (i % 16) + (i < 128 ? 0 : 4));
  const example = (): StoredExample => ({
    image: {
      kind: 'rgb',
      bytes: Uint8Array.from({ length: 768 }, (_, i) => indices[Math.floor(i / 3)]! * 10),
      height,
      width,
    },
    mask: { kind: 'indices', bytes: indices.slice(), height, width },
    depth: { kind: 'metres', metres: Float32Array.from(indices, (v) => v + 1), height, width },
  });
  const { split } = splitOf(Array(40).fill(example), { ...masks, targets: { ...masks.targets, depth: {} } });
  const reader = await split.open(preprocessing(16));
  const order = [...Array(40).keys()];
  const options = { preprocessing: preprocessing(16), augmentation: 'crop-flip', seed: 1 } as const;
  const seen = new Set<string>();
  for await (const { images, targets } of batches(split, reader, order, { batchSize: 1, ...options })) {
    const moved = targets.mask!.data;
    seen.add([...moved].join());
    expect(targets.mask).toMatchObject({ dtype: 'i32', shape: [1, 16, 16] });
    expect(targets.depth).toMatchObject({ dtype: 'f32', shape: [1, 16, 16] });
    for (let i = 0; i < 256; i++) {
      expect(Math.round((images[i]! * 127.5 + 127.5) / 10)).toBe(moved[i]);
      expect(targets.depth!.data[i]).toBe(moved[i]! + 1);
    }
  }
  await reader.close();
  expect(seen.size).toBeGreaterThan(10);
});

const whole = palettePng(new Uint8Array(64).fill(3), 8, 8);
const flipped = Uint8Array.from(whole, (byte, i) => (i === whole.length - 20 ? byte ^ 4 : byte));

test.each([
  ['a mask of another size', palettePng(new Uint8Array(64), 4, 16), /size[\s\S]*8 × 8[\s\S]*4 × 16/],
  [
    'an index that is no class',
    palettePng(
      Uint8Array.from({ length: 64 }, (_, i) => (i === 19 ? 20 : 1)),
      8,
      8,
    ),
    /0 to 19, one for each of 20 classes, or 255[\s\S]*20 at row 2, column 3/,
  ],
  ['a mask in 16 bits', greyPng(new Uint16Array(64), 8, 8), /palette or in grey[\s\S]*16 bits/],
  ['a mask cut short', whole.subarray(0, whole.length - 30), /cannot be decoded[\s\S]*whole PNG/],
  ['a damaged mask', flipped, /cannot be decoded[\s\S]*CRC/],
  ['no PNG file', new Uint8Array(30), /whole PNG file/],
])('%s is named with its file', async (_, bytes, message) => {
  const made = splitOf([() => ({ image: black(8, 8), mask: mask(bytes.slice()) })], masks);
  const failure = await failureOf(readAll(made, [8, 8]));
  expect(failure.code).toBe('FORMAT');
  expect(failure.where).toBe('example 0, mask');
  expect(failure.explain()).toMatch(message);
});

test('a mask in colours is refused', async () => {
  const bytes = await imageOf('png', 8, 8, 100);
  const made = splitOf([() => ({ image: black(8, 8), mask: mask(bytes.slice()) })], masks);
  expect((await failureOf(readAll(made, [8, 8]))).received).toBe('3 channels of 8 bits');
});

test.each([
  ['depth of another size', greyPng(new Uint16Array(64), 16, 4), /8 × 8[\s\S]*16 × 4/],
  ['depth in 8 bits', greyPng(new Uint8Array(64), 8, 8), /16 bits[\s\S]*8/],
  ['depth cut short', greyPng(new Uint16Array(64), 8, 8).subarray(0, 50), /whole PNG/],
])('%s is named with its file', async (_, bytes, message) => {
  const made = splitOf([() => ({ image: black(8, 8), depth: { kind: 'png', bytes: bytes.slice() } })], {
    targets: { depth: {} },
  });
  const failure = await failureOf(readAll(made, [8, 8]));
  expect(failure.where).toBe('example 0, depth');
  expect(failure.explain()).toMatch(message);
});

test('an example without the mask that its split promises is refused', async () => {
  const failure = await failureOf(readAll(splitOf([() => ({ image: black(4, 4) })], masks), [4, 4]));
  expect(failure.explain()).toMatch(/no mask/);
});

test('targets are cached beside pixels, and a torn or damaged slot is computed again', async () => {
  const cacheDir = temporaryFolder();
  const example = (i: number) => (): StoredExample => ({
    image: black(8, 8),
    mask: mask(palettePng(new Uint8Array(64).fill(i), 8, 8)),
    depth: { kind: 'metres', metres: new Float32Array(64).fill(i + 0.5), height: 8, width: 8 },
  });
  const make = () =>
    splitOf([example(1), example(2), example(3)], {
      ...masks,
      targets: { ...masks.targets, depth: {} },
      cacheDir,
    });
  const first = await readAll(make(), [6, 6]);
  const second = make();
  expect(await readAll(second, [6, 6])).toEqual(first);
  expect(second.reads).toEqual([]);

  const [folder] = readdirSync(join(cacheDir, 'pixels'));
  const slots = join(cacheDir, 'pixels', folder!, '00000.slots');
  const slotBytes = 32 + 36 * (3 + 2 + 4);
  const bytes = readFileSync(slots);
  expect(bytes.length).toBe(3 * slotBytes);
  bytes[slotBytes + 32 + 5]! ^= 1;
  writeFileSync(slots, bytes);
  truncateSync(slots, 3 * slotBytes - 7);
  const third = make();
  expect(await readAll(third, [6, 6])).toEqual(first);
  expect(third.reads.toSorted()).toEqual([1, 2]);
});

test('how targets are stored belongs to the fingerprint', () => {
  const examples = [() => ({ image: black(4, 4) })];
  const prints = [
    splitOf(examples, { targets: masks.targets }),
    splitOf(examples, masks),
    splitOf(examples, { targets: { depth: {} } }),
    splitOf(examples, { targets: { depth: { maximum: 10 } } }),
    splitOf(examples, { targets: { depth: {} }, encoding: { depth: { metresPerUnit: 0.01 } } }),
  ].map(({ split }) => split.fingerprint);
  expect(new Set(prints).size).toBe(prints.length);
});
