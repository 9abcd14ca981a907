import { InputError } from '@kora-bench/core/errors';
import {
  meanConfidenceInterval,
  sampleMean,
  sampleStandardDeviation,
  wilsonInterval,
} from '@kora-bench/core/metrics';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

const accuracies = [0.91, 0.93, 0.92, 0.95, 0.9];

describe('statistics over seeds', () => {
  // NumPy 2.4.6 and SciPy 1.17.1.
  it("gives SciPy's mean, deviation and t interval", () => {
    expect(sampleMean(accuracies)).toBeCloseTo(0.922, 12);
    expect(sampleStandardDeviation(accuracies)).toBeCloseTo(0.019235384061671322, 12);
    const interval = meanConfidenceInterval(accuracies)!;
    expect(interval.low).toBeCloseTo(0.8981161161190002, 10);
    expect(interval.high).toBeCloseTo(0.9458838838809999, 10);
  });

  // scipy.stats.t.ppf(0.975, ν).
  it.each([
    [1, 12.706204736174694],
    [2, 4.302652729749462],
    [3, 3.1824463052837078],
    [4, 2.7764451051977934],
    [9, 2.262157162798205],
    [30, 2.0422724563012378],
    [1000, 1.9623390808264083],
  ])('uses the t quantile of %d degrees of freedom', (degreesOfFreedom, t) => {
    const values = Array.from({ length: degreesOfFreedom + 1 }, (_, i) => (i * i) % 7);
    const standardError = sampleStandardDeviation(values)! / Math.sqrt(values.length);
    const { high } = meanConfidenceInterval(values)!;
    expect((high - sampleMean(values)) / standardError).toBeCloseTo(t, 9);
  });

  it('says nothing about the spread of one value', () => {
    expect(sampleStandardDeviation([0.9])).toBeNull();
    expect(meanConfidenceInterval([0.9])).toBeNull();
    expect(() => sampleMean([])).toThrow(InputError);
  });

  // scipy.stats.binomtest(k, n).proportion_ci(0.95, 'wilson').
  it("gives SciPy's Wilson interval", () => {
    const interval = wilsonInterval(81, 100);
    expect(interval.low).toBeCloseTo(0.7222115462093562, 12);
    expect(interval.high).toBeCloseTo(0.8748524849023126, 12);
    expect(wilsonInterval(0, 10).low).toBe(0);
    expect(wilsonInterval(0, 10).high).toBeCloseTo(0.27753279986288926, 12);
    expect(wilsonInterval(10, 10)).toEqual({ low: 1 - wilsonInterval(0, 10).high, high: 1 });
  });

  it('refuses impossible counts and levels', () => {
    expect(() => wilsonInterval(11, 10)).toThrow(InputError);
    expect(() => wilsonInterval(0, 0)).toThrow(InputError);
    expect(() => meanConfidenceInterval(accuracies, { level: 95 })).toThrow(InputError);
  });
});

describe('intervals for a mean inside what is possible', () => {
  const ranges = {
    shares: [0, 1],
    rates: [0, Number.POSITIVE_INFINITY],
    'values below a limit': [Number.NEGATIVE_INFINITY, 2],
    'values between limits': [-3, 5],
  } as const;
  /** Values of a range, of any size where it has no limit; the limits themselves come up often. */
  const valuesOf = ([least, most]: readonly [number, number]) =>
    fc.array(
      fc.double({
        min: Number.isFinite(least) ? least : -1e6,
        max: Number.isFinite(most) ? most : 1e6,
        noNaN: true,
      }),
      { minLength: 2, maxLength: 12 },
    );

  it.each(Object.entries(ranges))('stay inside, and contain the mean: %s', (_name, range) => {
    fc.assert(
      fc.property(valuesOf(range), fc.constantFrom(0.5, 0.95, 0.999), (values, level) => {
        const { low, high } = meanConfidenceInterval(values, { level, range })!;
        const mean = sampleMean(values);
        const rounding = 1e-12 * Math.max(1, Math.abs(mean));
        expect(low).toBeGreaterThanOrEqual(range[0]);
        expect(high).toBeLessThanOrEqual(range[1]);
        expect(low).toBeLessThanOrEqual(mean + rounding);
        expect(high).toBeGreaterThanOrEqual(mean - rounding);
      }),
    );
  });

  it.each(Object.entries(ranges))("are Student's to first order: %s", (_name, range) => {
    const offsets = fc.array(fc.double({ min: -1, max: 1, noNaN: true }), { minLength: 3, maxLength: 9 });
    fc.assert(
      fc.property(fc.double({ min: 0.2, max: 0.8, noNaN: true }), offsets, (centre, moves) => {
        const difference = (size: number) => {
          const values = moves.map((move) => centre + size * move);
          const student = meanConfidenceInterval(values)!;
          const inside = meanConfidenceInterval(values, { range })!;
          return Math.max(Math.abs(inside.low - student.low), Math.abs(inside.high - student.high));
        };
        // t · s/√n is at most 2.5 sizes, and the second derivatives on these scales at most 5/2.
        for (const size of [1e-3, 1e-5]) expect(difference(size)).toBeLessThan(40 * size ** 2 + 1e-14);
      }),
    );
  });

  it('of a mean of rates do not become negative, however the rates differ', () => {
    // m = 8535.667 and t(0.975, 2) · s/√3 = 18236.275: Student's own interval is from −9,701 to 26,772.
    const rates = [82, 13304, 12221];
    expect(meanConfidenceInterval(rates)!.low).toBeLessThan(-9000);
    const { low, high } = meanConfidenceInterval(rates, { range: [0, Number.POSITIVE_INFINITY] })!;
    const mean = sampleMean(rates);
    expect(low).toBeCloseTo(1007.8044630193236, 6);
    expect(high).toBeCloseTo(72293.39432191766, 4);
    expect(Math.sqrt(low * high)).toBeCloseTo(mean, 8);
  });

  it('of shares are symmetric in shares and their complements', () => {
    const range = [0, 1] as const;
    const { low, high } = meanConfidenceInterval([0.97, 1, 0.99], { range })!;
    const complement = meanConfidenceInterval([0.03, 0, 0.01], { range })!;
    expect(high).toBeLessThan(1);
    expect([1 - high, 1 - low]).toEqual([
      expect.closeTo(complement.low, 12),
      expect.closeTo(complement.high, 12),
    ]);
  });

  it('have no width where every value is at a limit', () => {
    expect(meanConfidenceInterval([1, 1, 1], { range: [0, 1] })).toEqual({ low: 1, high: 1 });
    expect(meanConfidenceInterval([0, 0], { range: [0, Number.POSITIVE_INFINITY] })).toEqual({
      low: 0,
      high: 0,
    });
  });

  it('refuse values outside', () => {
    expect(() => meanConfidenceInterval([0.5, 1.1], { range: [0, 1] })).toThrow(InputError);
  });
});
