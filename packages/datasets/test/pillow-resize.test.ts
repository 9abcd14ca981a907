import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { interpolations } from '@kora-bench/core/data';
import { preparePixels, prepareTarget } from '@kora-bench/datasets';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

interface Case {
  readonly height: number;
  readonly width: number;
  readonly imageSize: [number, number];
  readonly interpolation: 'bicubic' | 'bilinear';
  readonly cropPct: number;
  readonly cropMode?: 'center' | 'squash';
  readonly sha256: string;
  readonly bytes?: number[];
}

const fixture = JSON.parse(
  readFileSync(new URL('./fixtures/pillow-resize.json', import.meta.url), 'utf8'),
) as { pillow: string; cases: Case[] };

/** The image that the fixture's numbers were made from. */
function syntheticImage(height: number, width: number): Uint8Array {
  const pixels = new Uint8Array(height * width * 3);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      for (let c = 0; c < 3; c++) {
        pixels[(y * width + x) * 3 + c] =
          x * x * 7 + y * 13 * (c + 1) + Math.floor((x * y) / 4) * (c + 3) + (x ^ y) * 31;
      }
    }
  }
  return pixels;
}

test.each(fixture.cases)(
  '$height×$width to $imageSize, $interpolation, crop $cropPct $cropMode: the bytes of Pillow',
  ({ height, width, sha256, bytes, ...geometry }) => {
    const result = preparePixels(syntheticImage(height, width), height, width, geometry);
    if (bytes !== undefined) expect([...result]).toEqual(bytes);
    expect(createHash('sha256').update(result).digest('hex')).toBe(sha256);
  },
);

test('an image of one colour keeps its colour at every size', () => {
  const size = fc.integer({ min: 1, max: 40 });
  const interpolation = fc.constantFrom(...interpolations);
  const cropPct = fc.double({ min: 0.5, max: 1, noNaN: true });
  const byte = fc.integer({ min: 0, max: 255 });
  const geometry = fc.record({ imageSize: fc.tuple(size, size), interpolation, cropPct });
  fc.assert(
    fc.property(size, size, byte, geometry, (h, w, value, to) => {
      const image = new Uint8Array(h * w * 3).fill(value);
      const result = preparePixels(image, h, w, to);
      const [H, W] = to.imageSize;
      expect(result.length).toBe(H * W * 3);
      expect(result.every((v) => v === value)).toBe(true);
    }),
  );
});

test('each row and each column is resized by itself, whatever stands beside it', () => {
  const side = fc.integer({ min: 1, max: 40 });
  const interpolation = fc.constantFrom(...interpolations);
  const seed = fc.integer();
  fc.assert(
    fc.property(side, side, side, interpolation, seed, (length, count, to, filter, start) => {
      const resized = (pixels: Uint8Array, height: number, width: number, imageSize: [number, number]) =>
        preparePixels(pixels, height, width, {
          imageSize,
          interpolation: filter,
          cropPct: 1,
          cropMode: 'squash',
        });
      const bytes = (n: number) =>
        Uint8Array.from({ length: n }, (_, i) => Math.imul(start + i, 0x9e3779b1) >>> 24);
      const rows = bytes(count * length * 3);
      const wide = resized(rows, count, length, [count, to]);
      const tall = resized(rows, length, count, [to, count]);
      const pixelsOf = (image: Uint8Array, width: number, column: number) =>
        image.filter((_, i) => Math.floor(i / 3) % width === column);
      for (let i = 0; i < count; i++) {
        const row = rows.subarray(i * length * 3, (i + 1) * length * 3);
        expect(wide.subarray(i * to * 3, (i + 1) * to * 3)).toEqual(resized(row, 1, length, [1, to]));
        const column = pixelsOf(rows, count, i);
        expect(pixelsOf(tall, count, i)).toEqual(resized(column, length, 1, [to, 1]));
      }
    }),
  );
});

describe('an image that is not resized', () => {
  const geometry = { imageSize: [4, 2] as const, interpolation: 'bilinear' as const, cropPct: 1 };
  const image = Uint8Array.from({ length: 2 * 5 * 3 }, (_, i) => i + 1);

  test('is cropped where it is larger, and black where it is smaller; its targets know nothing there', () => {
    const pixels = preparePixels(image, 2, 5, { ...geometry, cropMode: 'crop', cropRounding: 'down' });
    const black = [0, 0, 0, 0, 0, 0];
    expect([...pixels]).toEqual([...black, ...image.slice(3, 9), ...image.slice(18, 24), ...black]);
    const classes = Int16Array.from({ length: 10 }, (_, i) => i);
    const mask = new Int16Array(8);
    prepareTarget(
      classes,
      { height: 2, width: 5 },
      { ...geometry, cropMode: 'crop', cropRounding: 'down' },
      mask,
    );
    expect([...mask]).toEqual([-1, -1, 1, 2, 6, 7, -1, -1]);
    const depth = new Float32Array(8);
    prepareTarget(
      Float32Array.from(classes),
      { height: 2, width: 5 },
      { ...geometry, cropMode: 'crop' },
      depth,
    );
    expect([...depth]).toEqual([0, 0, 2, 3, 7, 8, 0, 0]);
  });

  test('must have the model’s size where its processor changes nothing', () => {
    expect(preparePixels(image.slice(0, 24), 4, 2, { ...geometry, cropMode: 'exact' })).toEqual(
      image.slice(0, 24),
    );
    expect(() => preparePixels(image, 2, 5, { ...geometry, cropMode: 'exact' })).toThrow(
      expect.objectContaining({ code: 'INPUT', expected: '4 × 2, height and width', received: '2 × 5' }),
    );
  });
});
