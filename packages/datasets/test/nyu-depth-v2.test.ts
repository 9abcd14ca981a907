import { mkdirSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ImageSplit } from '@kora-bench/core/data';
import { FormatError, MissingDataError } from '@kora-bench/core/errors';
import { nyuDepthV2, openNyuDepthV2 } from '@kora-bench/datasets';
import { beforeAll, describe, expect, test } from 'vitest';
import { failureOf } from './support/failure-of.js';
import { type Hdf5Content, writeHdf5, writeMatlabV5 } from './support/mat-files.js';
import { greyPng, imageOf } from './support/pixel-files.js';
import { contextOf } from './support/place-files.js';
import { preprocessing } from './support/synthetic-split.js';
import { temporaryFolder } from './support/temporary-folder.js';

const [count, height, width] = [3, 480, 640];
const area = height * width;

/** Stored in MATLAB's order, `[n, 3, W, H]` and `[n, W, H]`. */
let images: Uint8Array;
let depths: Float32Array;
let wholeFile: Buffer;
const red = (y: number, x: number, i: number) => (y + 2 * x + 70 * i) & 255;
const metres = (y: number, x: number, i: number) => 0.5 + i * 4.6 + y / 1000 + x / 10_000;

beforeAll(async () => {
  images = new Uint8Array(count * 3 * area);
  depths = new Float32Array(count * area);
  for (let i = 0; i < count; i++) {
    for (let x = 0; x < width; x++) {
      for (let y = 0; y < height; y++) {
        const at = x * height + y;
        depths[i * area + at] = metres(y, x, i);
        for (let c = 0; c < 3; c++) images[(3 * i + c) * area + at] = red(y, x, i) ^ (c * 85);
      }
    }
  }
  const folder = mkdtempSync(join(tmpdir(), 'kora-datasets-'));
  await writeHdf5(join(folder, 'whole.mat'), content());
  wholeFile = readFileSync(join(folder, 'whole.mat'));
  rmSync(folder, { recursive: true });
});

const content = (): Record<'images' | 'depths', Hdf5Content> => ({
  images: {
    data: images,
    shape: [count, 3, width, height],
    dtype: '<B',
    chunks: [2, 1, 80, 120],
    compression: 3,
  },
  depths: {
    data: depths,
    shape: [count, width, height],
    dtype: '<f',
    chunks: [1, width, height],
    compression: 3,
  },
});

async function placed(
  datasets?: Readonly<Record<string, Hdf5Content>>,
  lists: Readonly<Record<string, readonly number[]>> = { trainNdxs: [3, 1], testNdxs: [2] },
) {
  const context = { dataDir: temporaryFolder(), cacheDir: temporaryFolder() };
  const folder = join(context.dataDir, 'nyu-depth-v2');
  mkdirSync(folder);
  const file = join(folder, 'nyu_depth_v2_labeled.mat');
  if (datasets === undefined) writeFileSync(file, wholeFile);
  else await writeHdf5(file, datasets);
  writeMatlabV5(join(folder, 'splits.mat'), lists, { compressed: true, as: 'double' });
  return { context, file, splits: join(folder, 'splits.mat') };
}

async function readAll(split: ImageSplit) {
  const reader = await split.open({ ...preprocessing(8), imageSize: [height, width] });
  try {
    return await reader.read([...split.paths.keys()]);
  } finally {
    await reader.close();
  }
}

describe('the labelled file', () => {
  test('images and depths are turned, and the official split is taken', async () => {
    const { context } = await placed();
    const { train, val, test: held } = await nyuDepthV2.open(context);
    expect([train.length, val, held.length]).toEqual([2, undefined, 1]);
    expect(train.paths).toEqual(['nyu_depth_v2_labeled.mat/0003', 'nyu_depth_v2_labeled.mat/0001']);
    expect(train.targets).toEqual({ depth: { maximum: 10 } });
    expect(train.notes.join()).toMatch(/2 of the 795/);
    const { pixels, depth } = await readAll(train);
    for (const [y, x] of [
      [0, 0],
      [479, 639],
      [17, 600],
      [300, 3],
    ] as const) {
      for (const [at, i] of [2, 0].entries()) {
        const place = at * area + y * width + x;
        const level = red(y, x, i);
        expect([...pixels.subarray(3 * place, 3 * place + 3)]).toEqual([level, level ^ 85, level ^ 170]);
        const expected = metres(y, x, i);
        expect(depth![place]).toBeCloseTo(expected > 10 ? 0 : expected, 5);
      }
    }
  });

  test('test counts inside Eigen’s crop only, unless asked otherwise', async () => {
    const { context } = await placed();
    const cropped = await openNyuDepthV2(context);
    const whole = await openNyuDepthV2(context, { evaluationCrop: false });
    expect(whole.test.fingerprint).not.toBe(cropped.test.fingerprint);
    expect(whole.train.fingerprint).toBe(cropped.train.fingerprint);
    const inside = (await readAll(cropped.test)).depth!;
    const all = (await readAll(whole.test)).depth!;
    const expected = all.map((value, i) => {
      const [y, x] = [Math.floor(i / width), i % width];
      return y >= 45 && y < 471 && x >= 41 && x < 601 ? value : 0;
    });
    expect(inside).toEqual(expected);
    expect(all.every((value) => value > 0)).toBe(true);
    expect(cropped.test.notes.join()).toMatch(/Eigen/);
  });

  test.each([
    ['double', true],
    ['double', false],
    ['uint16', true],
    ['uint16', false],
    ['int64', true],
  ] as const)('splits.mat of %s, compressed: %s', async (as, compressed) => {
    const { context, splits } = await placed();
    writeMatlabV5(splits, { trainNdxs: [1, 2], other: [7], testNdxs: [3] }, { compressed, as });
    const { train, test: held } = await nyuDepthV2.open(context);
    expect([train.paths[1], held.paths[0]]).toEqual([
      'nyu_depth_v2_labeled.mat/0002',
      'nyu_depth_v2_labeled.mat/0003',
    ]);
  });

  test('verify finds whole data in order', async () => {
    const { context } = await placed();
    const check = await nyuDepthV2.verify(context);
    expect(check.problems).toEqual([]);
    expect(check.details.join('\n')).toMatch(
      /train: depth from 0\.5\d to 10\.00 m, on \d\d\.\d % of the pixels/,
    );
  });

  test('missing data and a missing split: what to download and where to put it', async () => {
    const empty = { dataDir: temporaryFolder(), cacheDir: temporaryFolder() };
    const failure = await failureOf(nyuDepthV2.open(empty));
    expect(failure).toBeInstanceOf(MissingDataError);
    expect(failure.fix).toContain('nyu_depth_v2_labeled.mat');
    writeFileSync(join(empty.dataDir, 'nyu_depth_v2_labeled.mat'), '');
    const half = await failureOf(nyuDepthV2.open(empty));
    expect(half).toBeInstanceOf(MissingDataError);
    expect(half.fix).toContain('splits.mat');
  });

  test('a truncated file is named', async () => {
    const { context, file } = await placed();
    truncateSync(file, 200_000);
    const failure = await failureOf(nyuDepthV2.open(context));
    expect(failure).toBeInstanceOf(FormatError);
    expect(failure.where).toBe(file);
    expect(failure.received).toMatch(/^truncated file/);
  });

  test('a damaged chunk is named with its example', async () => {
    const { context, file } = await placed();
    const { train } = await nyuDepthV2.open(context);
    const bytes = readFileSync(file);
    bytes.fill(0x55, 30_000, 31_000);
    writeFileSync(file, bytes);
    const failure = await failureOf(readAll(train));
    expect(failure).toBeInstanceOf(FormatError);
    expect(failure.where).toMatch(/example [13]$/);
  });

  test('a file whose inner tables are damaged is named', async () => {
    const { context, file } = await placed();
    const bytes = readFileSync(file);
    bytes.fill(0x55, 600, bytes.length - 100);
    writeFileSync(file, bytes);
    const failure = await failureOf(nyuDepthV2.open(context));
    expect(failure).toBeInstanceOf(FormatError);
    expect(failure.where).toBe(file);
  });

  test('a compression that cannot be undone is named', async () => {
    const { context, file } = await placed();
    // Written by h5py, since h5wasm writes no such file: no data, compressed by LZF.
    writeFileSync(file, readFileSync(new URL('./fixtures/lzf.mat', import.meta.url)));
    const failure = await failureOf(nyuDepthV2.open(context));
    expect(failure.explain()).toMatch(/compressed by deflate[\s\S]*lzf \(32000\)/);
  });

  const small = (shape: number[]): Hdf5Content => ({
    data: new Float32Array(shape.reduce((a, b) => a * b)),
    shape,
    dtype: '<f',
  });
  test.each([
    ['no images', () => ({ depths: content().depths }), /a data set images[\s\S]*received: depths/],
    [
      'images of another shape',
      () => ({ ...content(), images: small([2, 3, 4, 5]) }),
      /\[n, 3, 640, 480\][\s\S]*\[2, 3, 4, 5\]/,
    ],
    [
      'depths of another shape',
      () => ({ ...content(), depths: small([2, 4]) }),
      /\[n, 640, 480\][\s\S]*\[2, 4\]/,
    ],
    [
      'images of another type',
      () => ({
        ...content(),
        images: {
          ...content().depths,
          data: new Float32Array(3 * area),
          shape: [1, 3, width, height],
          chunks: [1, 1, width, height],
        },
      }),
      /type <B[\s\S]*<f/,
    ],
    [
      'fewer depths than images',
      () => ({
        ...content(),
        depths: { ...content().depths, data: depths.subarray(0, area), shape: [1, width, height] },
      }),
      /as many depths as images/,
    ],
  ] as [string, () => Record<string, Hdf5Content>, RegExp][])('%s: refused', async (_, make, message) => {
    const { context } = await placed(make());
    expect((await failureOf(nyuDepthV2.open(context))).explain()).toMatch(message);
  });

  test.each([
    [
      'an index beyond the examples',
      { trainNdxs: [1, 4], testNdxs: [2] },
      /trainNdxs: different numbers from 1 to 3/,
    ],
    ['an index twice', { trainNdxs: [1, 1], testNdxs: [2] }, /different/],
    ['no test list', { trainNdxs: [1], other: [2] }, /testNdxs[\s\S]*none among trainNdxs, other/],
  ])('a split with %s: refused', async (_, lists, message) => {
    const { context, splits } = await placed(undefined, lists as Record<string, number[]>);
    const failure = await failureOf(nyuDepthV2.open(context));
    expect(failure.where).toBe(splits);
    expect(failure.explain()).toMatch(message);
  });

  test.each([
    ['cut short', (bytes: Buffer) => bytes.subarray(0, bytes.length - 20)],
    ['of another format', () => Buffer.alloc(300, 'x')],
    ['empty', () => Buffer.alloc(0)],
  ])('a splits.mat %s: refused', async (_, damage) => {
    const { context, splits } = await placed();
    writeFileSync(splits, damage(readFileSync(splits)));
    const failure = await failureOf(nyuDepthV2.open(context));
    expect(failure).toBeInstanceOf(FormatError);
    expect(failure.where).toBe(splits);
  });
});

describe('nyu_data', () => {
  const files = async () =>
    new Map<string, Uint8Array>([
      [
        'nyu_data/data/nyu2_train.csv',
        Buffer.from('data/nyu2_train/cafe_out/1.jpg,data/nyu2_train/cafe_out/1.png\n'),
      ],
      [
        'nyu_data/data/nyu2_test.csv',
        Buffer.from('data/nyu2_test/00000_colors.png,data/nyu2_test/00000_depth.png\n'),
      ],
      ['nyu_data/data/nyu2_train/cafe_out/1.jpg', await imageOf('jpeg', 480, 640)],
      ['nyu_data/data/nyu2_train/cafe_out/1.png', greyPng(new Uint8Array(area).fill(51), 480, 640)],
      ['nyu_data/data/nyu2_test/00000_colors.png', await imageOf('png', 480, 640)],
      ['nyu_data/data/nyu2_test/00000_depth.png', greyPng(new Uint16Array(area).fill(2500), 480, 640)],
    ]);

  test.each([undefined, 'nyu_data.zip'])(
    'the lists of files, 8-bit depth for training (%s)',
    async (archive) => {
      const { train, test: held } = await nyuDepthV2.open(contextOf(await files(), archive));
      expect((await readAll(train)).depth!.every((value) => Math.abs(value - 2) < 1e-6)).toBe(true);
      const { depth } = await readAll(held);
      expect([
        depth![0],
        depth![45 * width + 41],
        depth![470 * width + 600],
        depth![471 * width + 601],
      ]).toEqual([0, 2.5, 2.5, 0]);
      expect(train.notes.join()).toMatch(/8-bit depth/);
    },
  );

  test('a file that a list names and that is not there is named with its line', async () => {
    const cut = await files();
    cut.delete('nyu_data/data/nyu2_test/00000_depth.png');
    const failure = await failureOf(nyuDepthV2.open(contextOf(cut)));
    expect(failure.where).toMatch(/nyu2_test\.csv, line 1$/);
    expect(failure.received).toContain('00000_depth.png');
  });
});
