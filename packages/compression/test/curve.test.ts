import { areaUnderFront, frontOf, smallestReaching, valueWithin } from '@kora-bench/compression';
import { InputError } from '@kora-bench/core/errors';
import fc from 'fast-check';
import { expect, test } from 'vitest';

const points = [
  { bytes: 0, value: 0.1 },
  { bytes: 100, value: 0.5 },
  { bytes: 200, value: 0.4 },
  { bytes: 1000, value: 0.6 },
  { bytes: 1000, value: 0.7 },
  { bytes: 5000, value: 0.7 },
];

test('the front has what is better than all that takes no more', () => {
  expect(frontOf(points, 'higher')).toEqual([points[0], points[1], points[4]]);
  expect(frontOf(points, 'lower')).toEqual([points[0]]);
  expect(valueWithin(points, 999, 'higher')).toBe(0.5);
  expect(valueWithin(points.slice(1), 99, 'higher')).toBeUndefined();
});

test('the smallest that reaches a target, also where rounding is in the way', () => {
  expect(smallestReaching(points, 0.45, 'higher')).toBe(points[1]);
  expect(smallestReaching(points, 0.7, 'higher')).toBe(points[4]);
  expect(smallestReaching([{ bytes: 1, value: 0.3 }], 0.1 + 0.2, 'higher')).toEqual({ bytes: 1, value: 0.3 });
  expect(smallestReaching(points, 0.71, 'higher')).toBeUndefined();
  expect(smallestReaching(points, 0.05, 'lower')).toBeUndefined();
});

test('the area is the mean over the logarithm of bytes', () => {
  const spec = { direction: 'higher', from: 10, to: 10_000 } as const;
  // 0.1 for one order of magnitude, 0.5 and 0.7 for the others.
  expect(areaUnderFront(points, spec)).toBeCloseTo((0.1 + 0.5 + 0.7) / 3, 12);
  expect(areaUnderFront(points, { ...spec, from: 100, to: 100 })).toBe(0.5);
  expect(() => areaUnderFront(points, { ...spec, from: 0 })).toThrow(InputError);
  expect(() => areaUnderFront(points.slice(1), spec)).toThrow(InputError);
});

test('the area lies between the values of its ends, and no further point makes it worse', () => {
  const point = fc.record({
    bytes: fc.integer({ min: 1, max: 9999 }),
    value: fc.double({ min: 0, max: 1, noNaN: true }),
  });
  fc.assert(
    fc.property(fc.array(point), point, (some, another) => {
      const spec = { direction: 'higher', from: 10, to: 1000 } as const;
      const all = [{ bytes: 0, value: 0 }, ...some];
      const area = areaUnderFront(all, spec);
      expect(area).toBeGreaterThanOrEqual(valueWithin(all, 10, 'higher')! - 1e-12);
      expect(area).toBeLessThanOrEqual(valueWithin(all, 1000, 'higher')! + 1e-12);
      expect(areaUnderFront([...all, another], spec)).toBeGreaterThanOrEqual(area - 1e-12);
    }),
  );
});
