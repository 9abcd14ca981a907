import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { preparePixels } from '@kora-bench/datasets';
import fc from 'fast-check';
import { expect, test } from 'vitest';

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
  const interpolation = fc.constantFrom('bicubic' as const, 'bilinear' as const);
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
