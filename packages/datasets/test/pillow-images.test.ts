import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { inflateSync } from 'node:zlib';
import type { PixelReader } from '@kora-bench/core/data';
import { storedSplit } from '@kora-bench/datasets';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { failureOf } from './support/failure-of.js';
import { preprocessing } from './support/synthetic-split.js';
import { temporaryFolder } from './support/temporary-folder.js';

/** What Pillow makes of a file; see fixtures/make-images.py. */
interface Reading {
  readonly error?: string;
  readonly size?: readonly [height: number, width: number];
  readonly rgb?: string;
}

type Fixture = Reading & { readonly truncated?: Reading };

const folder = fileURLToPath(new URL('./fixtures/', import.meta.url));
const fixtures = JSON.parse(readFileSync(`${folder}pillow-images.json`, 'utf8')) as Record<string, Fixture>;

/** One image file as the only example of a split, without resizing. */
async function opened(bytes: Uint8Array, size: readonly [number, number], truncated: boolean) {
  const split = storedSplit(
    {
      dataset: 'one',
      split: 'train',
      targets: { label: { classNames: ['a'], labels: new Int32Array(1) } },
      paths: ['one'],
      content: 'one',
      notes: [],
      encoding: { image: { truncated } },
      store: {
        open: async () => ({
          read: async () => ({ image: { kind: 'encoded', bytes: new Uint8Array(bytes) } }),
          where: () => 'the file',
          close: async () => undefined,
        }),
      },
    },
    temporaryFolder(),
  );
  return split.open({ ...preprocessing(8), imageSize: size, cropMode: 'squash' });
}

async function pixelsOf(bytes: Uint8Array, size: readonly [number, number], truncated = false) {
  const reader = await opened(bytes, size, truncated);
  try {
    return (await reader.read([0])).pixels;
  } finally {
    await reader.close();
  }
}

// Decoding threads end with the last reader; this one keeps them through all tests.
let first: PixelReader;
beforeAll(async () => {
  first = await opened(new Uint8Array(), [8, 8], false);
});
afterAll(() => first.close());

const bytesOf = (name: string) => readFileSync(`${folder}images/${name}`);

/** What Pillow reads and this package refuses, with the words that say why. */
const refused: Readonly<Record<string, RegExp>> = {
  'netpbm-16-bit.ppm': /values up to 65535/,
  'other-avif.avif': /AVIF/,
  'other-ico.ico': /icon/,
  'other-jp2.jp2': /JPEG 2000/,
  'other-tga.tga': /begins with the bytes 00 00 02/,
  'tiff-cmyk-16-bit.tif': /cmyk of type ushort/,
  'tiff-grey-16-bit-signed.tif': /type short/,
  'tiff-grey-signed.tif': /type char/,
  'tiff-lab.tif': /lab/,
  'tiff-lzma.tif': /LZMA/,
  'tiff-zstd.tif': /ZSTD/,
};

/** What is read only whole, while Pillow's option fills up. */
const onlyWhole = ['gif-cut-short.gif', 'netpbm-cut-short.ppm', 'tiff-cut-short.tif'];

/** Pillow clips 16 bits of grey to 255 for RGB, so that nearly all is white; here they are scaled. */
const scaled = ['png-grey-16-bit.png', 'tiff-grey-16-bit.tif'];

describe('an image is decoded as by Pillow’s convert("RGB")', () => {
  const names = Object.keys(fixtures).filter((name) => !(name in refused) && !scaled.includes(name));

  test.each(names.filter((name) => fixtures[name]!.rgb !== undefined))('%s', async (name) => {
    const { rgb, size } = fixtures[name]!;
    expect(Buffer.from(await pixelsOf(bytesOf(name), size!))).toEqual(
      inflateSync(Buffer.from(rgb!, 'base64')),
    );
  });

  test.each(names.filter((name) => fixtures[name]!.error !== undefined))(
    '%s: neither decodes it',
    async (name) => {
      const failure = await failureOf(pixelsOf(bytesOf(name), [8, 8]));
      expect(failure.where).toBe('the file');
      expect(failure.fix).toMatch(name.startsWith('huge') ? /smaller/ : /[Gg]et (?:the file|it) again/);
    },
  );

  test.each(names.filter((name) => fixtures[name]!.truncated !== undefined && !onlyWhole.includes(name)))(
    '%s, as far as it goes',
    async (name) => {
      const { rgb, size } = fixtures[name]!.truncated!;
      const pixels = await pixelsOf(bytesOf(name), size!, true);
      expect(Buffer.from(pixels)).toEqual(inflateSync(Buffer.from(rgb!, 'base64')));
    },
  );
});

test.each(scaled)('%s is scaled, not clipped', async (name) => {
  const pixels = await pixelsOf(bytesOf(name), [11, 13]);
  const rows = Array.from({ length: 11 }, (_, row) => pixels[row * 13 * 3]);
  expect(rows).toEqual(rows.map((_, row) => row * 23));
});

test.each(Object.entries(refused))('%s, which Pillow reads, is refused by name', async (name, words) => {
  const failure = await failureOf(pixelsOf(bytesOf(name), [11, 13]));
  expect(failure.received).toMatch(words);
  expect(failure.fix).toMatch(/PNG or JPEG/);
  expect(failure.explain()).not.toMatch(/damaged: download/i);
});

test.each([
  ['nothing', '', /an empty file/, /[Gg]et the file again/],
  ['a pointer of Git LFS', 'version https://git-lfs.github.com/spec/v1\noid sha256:0', /LFS/, /git lfs pull/],
  ['a pointer of git-annex', '.git/annex/objects/4K/x.jpg', /git-annex/, /git annex get/],
  ['a page of a server', '<!DOCTYPE html><html></html>', /a web page/, /Download/],
  ['a picture of an iPhone', '\0\0\0\x18ftypheic', /HEIC/, /Save it as PNG or JPEG/],
])('%s instead of an image is recognised', async (_, content, received, fix) => {
  const failure = await failureOf(pixelsOf(Buffer.from(content, 'latin1'), [8, 8]));
  expect(failure.received).toMatch(received);
  expect(failure.fix).toMatch(fix);
});
