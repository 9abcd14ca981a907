import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { prepareTarget } from '@kora-bench/datasets';
import fc from 'fast-check';
import { expect, test } from 'vitest';

/** What Pillow's `Image.resize` with `NEAREST` gave, alone and followed by a centre crop. */
const fixture = JSON.parse(
  readFileSync(new URL('./fixtures/pillow-nearest.json', import.meta.url), 'utf8'),
) as {
  cases: { from: number; to: number; positions: number[] }[];
  crops: { height: number; width: number; size: number; cropPct: number; sha256: string }[];
};

const geometry = (height: number, width: number, cropPct = 1) =>
  ({ imageSize: [height, width], interpolation: 'bicubic', cropPct }) as const;

test.each(fixture.cases)('$from to $to pixels: those that Pillow takes', ({ from, to, positions }) => {
  const places = Int16Array.from({ length: from * from }, (_, i) => i % from);
  const target = new Int16Array(to * to);
  prepareTarget(places, { height: from, width: from }, geometry(to, to), target);
  for (let row = 0; row < to; row++)
    expect([...target.subarray(row * to, (row + 1) * to)]).toEqual(positions);
  const rows = Int16Array.from({ length: from * from }, (_, i) => Math.floor(i / from));
  prepareTarget(rows, { height: from, width: from }, geometry(to, to), target);
  expect(Array.from({ length: to }, (_, row) => target[row * to]!)).toEqual(positions);
});

test.each(fixture.crops)('$height×$width to $size with crop $cropPct: the pixels of Pillow', (found) => {
  const { height, width, size, cropPct, sha256 } = found;
  const values = Float32Array.from({ length: height * width }, (_, i) => {
    const [y, x] = [Math.floor(i / width), i % width];
    return (y * 31 + x * 7 + Math.floor((y * x) / 5)) % 997;
  });
  const target = new Float32Array(size * size);
  prepareTarget(values, { height, width }, geometry(size, size, cropPct), target);
  expect(createHash('sha256').update(new Uint8Array(target.buffer)).digest('hex')).toBe(sha256);
});

test('each output is the input whose area its centre falls in', () => {
  const size = fc.integer({ min: 1, max: 60 });
  fc.assert(
    fc.property(size, size, (from, to) => {
      const places = Int16Array.from({ length: from * from }, (_, i) => i % from);
      const target = new Int16Array(to * to);
      prepareTarget(places, { height: from, width: from }, geometry(to, to), target);
      for (let x = 0; x < to; x++) {
        const centre = ((x + 0.5) * from) / to;
        // A centre on a border may fall to either side.
        expect(Math.abs(target[x]! + 0.5 - centre)).toBeLessThan(0.5 + 1e-9);
      }
    }),
  );
});

test('an image of its own size stays as it is, and whole enlargements repeat pixels', () => {
  const values = Float32Array.from([1, 2, 3, 4, 5, 6]);
  const same = new Float32Array(6);
  prepareTarget(values, { height: 2, width: 3 }, geometry(2, 3), same);
  expect(same).toEqual(values);
  const doubled = new Float32Array(24);
  prepareTarget(values, { height: 2, width: 3 }, geometry(4, 6), doubled);
  expect([...doubled.subarray(0, 12)]).toEqual([1, 1, 2, 2, 3, 3, 1, 1, 2, 2, 3, 3]);
});
