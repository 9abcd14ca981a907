import { InputError } from '@kora-bench/core/errors';
import {
  meanConfidenceInterval,
  sampleMean,
  sampleStandardDeviation,
  wilsonInterval,
} from '@kora-bench/core/metrics';
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
    expect(() => meanConfidenceInterval(accuracies, 95)).toThrow(InputError);
  });
});
