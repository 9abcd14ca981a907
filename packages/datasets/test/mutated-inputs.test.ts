import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { mutations, onlyAcceptableOutcome } from '@kora-bench/broken-inputs';
import type { PixelReader } from '@kora-bench/core/data';
import { FormatError } from '@kora-bench/core/errors';
import { openContent, openFolderDataset } from '@kora-bench/datasets';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { decodeImage } from '../src/decode/decode-image.js';
import { UndecodableExample } from '../src/decode/decode-targets.js';
import { tarOf, zipOf } from './support/archives.js';
import { greyPng, imageOf, palettePng } from './support/pixel-files.js';
import { writeFiles } from './support/place-files.js';
import { preprocessing } from './support/synthetic-split.js';
import { temporaryFolder } from './support/temporary-folder.js';

/** As many in the suite as take seconds; `MUTATIONS=10000` for the whole search. */
const count = Number(process.env.MUTATIONS ?? 300);
const seed = Number(process.env.MUTATIONS_SEED ?? 1);
const timeout = 60_000 + count * 100;

const files = new Map([
  ['list.txt', Buffer.from('a list of what is there')],
  ['cats/1.bin', Buffer.alloc(700, 'cat ')],
  ['dogs/2.bin', Buffer.from('another file, stored or deflated')],
  ['dogs/3.bin', Buffer.alloc(0)],
]);

describe.each([
  ['zip', zipOf(files)],
  ['tar', tarOf(files)],
] as const)('a %s archive with something broken in it', (kind, whole) => {
  test('gives its files or says what is wrong', { timeout }, async () => {
    const path = join(temporaryFolder(), `broken.${kind}`);
    const cacheDir = temporaryFolder();
    const found = { taken: 0, refused: 0 };
    const contents = new Set([...files.values()].map((bytes) => bytes.toString('latin1')));
    for (const { index, what, value } of mutations(seed, whole, count)) {
      writeFileSync(path, value);
      const read = async () => {
        // Everything is wanted, so that nothing can be lost where nobody looks.
        const source = await openContent(path, { expected: 'anything', root: () => '' }, cacheDir);
        const reader = await source.open();
        try {
          return await Promise.all(
            source.entries.map(async ({ path, size }, i) => ({ path, size, bytes: await reader.read(i) })),
          );
        } finally {
          await reader.close();
        }
      };
      const outcome = await onlyAcceptableOutcome(read, {
        what: `mutation ${index} of a ${kind}: ${what}`,
        bytes: value.length,
        right: (entries) => {
          if (entries.some(({ size, bytes }) => bytes.length !== size)) return false;
          // A zip has checksums of all content; a tar has some of its headers alone.
          if (kind === 'tar') return true;
          if (entries.some(({ bytes }) => !contents.has(Buffer.from(bytes).toString('latin1')))) return false;
          const text = Buffer.from(value).toString('latin1');
          const isNamed = [...files.keys()].every((name) => text.split(name).length > 2);
          return (
            !isNamed ||
            entries
              .map(({ path }) => path)
              .sort()
              .join() === [...files.keys()].sort().join()
          );
        },
      });
      found['value' in outcome ? 'taken' : 'refused']++;
    }
    report(kind, found);
    expect(found.refused).toBeGreaterThan(count / 10);
    expect(found.taken).toBeGreaterThan(count / 100);
  });
});

const folder = fileURLToPath(new URL('./fixtures/images/', import.meta.url));
const images = readdirSync(folder).filter((name) => !name.startsWith('other'));

/** Pixels that a file says it has; what is decoded may take memory for them. */
async function claimedPixels(bytes: Uint8Array): Promise<number> {
  if (bytes.length === 0) return 0;
  const claims = await sharp(bytes, { failOn: 'none', limitInputPixels: false })
    .metadata()
    .catch(() => ({ width: 0, height: 0 }));
  const view = new DataView(new Uint8Array([...bytes.slice(0, 64), ...new Uint8Array(64)]).buffer);
  const inPlace: Readonly<Record<string, number>> = {
    BM:
      Math.abs(view.getInt32(18, true) * view.getInt32(22, true)) +
      view.getUint16(18, true) * view.getUint16(20, true),
    GI: view.getUint16(6, true) * view.getUint16(8, true),
  };
  const text = new TextDecoder('latin1').decode(bytes.subarray(0, 80)).replace(/#.*\n/g, ' ');
  const netpbm = /^P\d\s+(\d+)\s+(\d+)/.exec(text);
  return Math.max(
    claims.width * claims.height,
    inPlace[text.slice(0, 2)] ?? 0,
    netpbm === null ? 0 : Number(netpbm[1]) * Number(netpbm[2]),
  );
}

test('an image with something broken in it is decoded or says what is wrong', {
  timeout: 20 * timeout,
}, async () => {
  const found = { taken: 0, refused: 0 };
  const each = Math.ceil(count / images.length);
  for (const [i, name] of images.entries()) {
    for (const { index, what, value } of mutations(1000 * seed + i, readFileSync(join(folder, name)), each)) {
      const pixels = await claimedPixels(value);
      const read = () =>
        decodeImage({ kind: 'encoded', bytes: new Uint8Array(value) }, { truncated: index % 4 === 0 }).catch(
          (error) => {
            if (!(error instanceof UndecodableExample)) throw error;
            const { message, ...facts } = error.failure;
            throw new FormatError(message, facts);
          },
        );
      const outcome = await onlyAcceptableOutcome(read, {
        what: `mutation ${index} of ${name}: ${what}`,
        bytes: value.length,
        // RGB as decoded, and once more where it is put together from something else.
        allowance: 2 ** 20 + (pixels > 2 * 89_478_485 ? 0 : 12 * pixels),
        right: ({ values, height, width }) => values.length === height * width * 3,
      });
      found['value' in outcome ? 'taken' : 'refused']++;
    }
  }
  report('images', found);
  expect(Math.min(found.taken, found.refused)).toBeGreaterThan(count / 10);
});

let image: Uint8Array;
// Decoding threads end with the last reader; this one keeps them through all tests.
let first: PixelReader;
beforeAll(async () => {
  image = await imageOf('jpeg', 8, 10);
  const folder = temporaryFolder();
  writeFiles(folder, new Map([0, 1, 2, 3].map((i) => [`a/${i}.jpg`, image])));
  const { train } = await openFolderDataset(folder, { dataDir: '', cacheDir: temporaryFolder() });
  first = await train.open(preprocessing(8));
});
afterAll(() => first.close());

describe('a folder of one’s own with something broken in it', () => {
  test.each([
    [
      'masks/1.png',
      palettePng(
        Uint8Array.from({ length: 80 }, (_, i) => i % 3),
        8,
        10,
      ),
    ],
    ['depth/1.png', greyPng(new Uint16Array(80).fill(1500), 8, 10)],
    [
      'values.csv',
      Buffer.from(
        `path,angle,"how, far"\n${[0, 1, 2, 3, 4, 5].map((i) => `images/${i}.jpg,0.5,-${i}e3\n`).join('')}`,
      ),
    ],
    [
      'dataset.json',
      Buffer.from('{ "scale": 0.01, "maximum": 20, "unlabelled": [255], "truncated": false }'),
    ],
  ])('%s: read, or said what is wrong', { timeout }, async (path, whole) => {
    const cacheDir = temporaryFolder();
    const root = join(temporaryFolder(), 'mine');
    const isDepth = /depth|dataset/.test(path);
    const folder = isDepth ? 'rgb' : 'images';
    const present = new Map<string, Uint8Array>();
    for (const i of [0, 1, 2, 3, 4, 5]) {
      present.set(`${folder}/${i}.jpg`, image);
      if (path.endsWith('csv')) continue;
      const target = isDepth
        ? greyPng(new Uint16Array(80).fill(900), 8, 10)
        : palettePng(new Uint8Array(80), 8, 10);
      present.set(`${isDepth ? 'depth' : 'masks'}/${i}.png`, target);
    }
    writeFiles(root, present);
    const found = { taken: 0, refused: 0 };
    for (const { index, what, value } of mutations(seed, whole, Math.ceil(count / 4))) {
      writeFileSync(join(root, path), value);
      const read = async () => {
        const { train, val, test: held } = await openFolderDataset(root, { dataDir: '', cacheDir });
        return Promise.all(
          [train, val!, held].map(async (split) => {
            const reader = await split.open({ ...preprocessing(8), imageSize: [8, 10] });
            try {
              return { split, batch: await reader.read([...split.paths.keys()]) };
            } finally {
              await reader.close();
            }
          }),
        );
      };
      const outcome = await onlyAcceptableOutcome(read, {
        what: `mutation ${index} of ${path}: ${what}`,
        right: (splits) =>
          splits.every(
            ({ split: { length, targets }, batch: { pixels, mask = [], depth = [] } }) =>
              pixels.length === length * 240 &&
              (targets.value?.values.every(Number.isFinite) ?? true) &&
              mask.every((label) => label >= -1 && label < 256) &&
              depth.every((metres) => metres >= 0),
          ),
      });
      found['value' in outcome ? 'taken' : 'refused']++;
    }
    report(path, found);
    expect(found.refused).toBeGreaterThan(0);
  });
});

/** For the closing note of a whole search. */
function report(what: string, { taken, refused }: { taken: number; refused: number }): void {
  if (process.env.MUTATIONS !== undefined) console.log(`${what}: ${taken} read, ${refused} refused`);
}
