import { readFileSync } from 'node:fs';
import {
  comparePaired,
  fisherFTail,
  holm,
  logGamma,
  mannWhitney,
  mcnemarExact,
  normalTails,
  pairedShareInterval,
  ratioOf,
  regularizedBeta,
  smallestRankP,
  studentTTails,
  studentTWithin,
} from '@kora-bench/comparison';
import { describe, expect, test } from 'vitest';

type Rows = readonly (readonly number[])[];
interface Fixture {
  readonly gammaln: Rows;
  readonly betainc: Rows;
  readonly t: Rows;
  readonly t_within: Rows;
  readonly f: Rows;
  readonly normal: Rows;
  readonly mcnemar: Rows;
  readonly mann_whitney: readonly (readonly [number[], number[], number])[];
  readonly mann_whitney_ties: readonly [number[], number[], number];
  readonly mann_whitney_large: readonly [number[], number[], number];
  readonly holm: readonly [number[], number[]];
  readonly paired: readonly (readonly [number[], number[], number, [number, number]])[];
}
const scipy = JSON.parse(readFileSync(new URL('./fixtures/scipy.json', import.meta.url), 'utf8')) as Fixture;

/** Relative, but for values near 0. */
function near(found: number, expected: number, tolerance = 1e-10): void {
  expect(Math.abs(found - expected)).toBeLessThanOrEqual(tolerance * Math.max(Math.abs(expected), 1e-12));
}

describe('as SciPy has them', () => {
  test.each([
    ['ln Γ', scipy.gammaln, (x: number) => logGamma(x)],
    ['incomplete beta', scipy.betainc, regularizedBeta],
    ['Student’s tails', scipy.t, studentTTails],
    ['Student’s quantiles', scipy.t_within, studentTWithin],
    ['Fisher’s tail', scipy.f, fisherFTail],
    ['normal tails', scipy.normal, normalTails],
    [
      'McNemar',
      scipy.mcnemar,
      (baseOnly: number, headOnly: number) => mcnemarExact({ baseOnly, headOnly, examples: 9999 }),
    ],
  ] as const)('%s', (name, rows, own) => {
    for (const row of rows) {
      const expected = row.at(-1)!;
      const found = (own as (...values: number[]) => number)(...row.slice(0, -1));
      if (name === 'ln Γ' && expected === 0) expect(found).toBeCloseTo(0, 12);
      else near(found, expected);
    }
  });

  test('Mann-Whitney: exact, exact with ties, and by the normal distribution', () => {
    for (const [base, head, p] of [...scipy.mann_whitney, scipy.mann_whitney_ties]) {
      const found = mannWhitney(base, head);
      near(found.p, p);
      expect(found.exact).toBe(true);
    }
    const [base, head, p] = scipy.mann_whitney_large;
    const found = mannWhitney(base, head);
    near(found.p, p);
    expect(found.exact).toBe(false);
  });

  test('Holm', () => {
    const [raw, adjusted] = scipy.holm;
    for (const [i, p] of holm(raw).entries()) near(p, adjusted[i]!);
  });

  test('the paired bootstrap says what Student’s t and the BCa bootstrap say, as far as resamples go', () => {
    for (const [base, head, p, [low, high]] of scipy.paired) {
      const found = comparePaired({ base: [base], head: [head] });
      expect(found.test).toBe('paired bootstrap over images');
      // Far out, on the tail that is extrapolated, a factor of ten is close.
      expect(Math.abs(Math.log10(found.p / p))).toBeLessThan(p > 0.001 ? 0.3 : 1);
      // Its interval is symmetric and a little wider than one that follows the skew.
      expect(Math.abs(found.interval[0] - low)).toBeLessThan(0.15 * (high - low));
      expect(Math.abs(found.interval[1] - high)).toBeLessThan(0.15 * (high - low));
    }
  });
});

test('what samples of a size can reach at all', () => {
  expect(smallestRankP(3, 3)).toBeCloseTo(0.1, 12);
  expect(smallestRankP(1, 1)).toBe(1);
  expect(mannWhitney([1, 2, 3], [4, 5, 6]).p).toBeCloseTo(smallestRankP(3, 3), 12);
});

test('the ratio of two samples, with an interval only where they are enough for one', () => {
  const base = [100, 101, 99, 100.5, 99.5, 100.2];
  const { ratio, interval } = ratioOf(
    base,
    base.map((value) => 1.1 * value),
  );
  expect(ratio).toBeCloseTo(1.1, 2);
  expect(interval![0]).toBeLessThan(1.1);
  expect(interval![1]).toBeGreaterThan(1.1);
  expect(interval![0]).toBeGreaterThan(1.08);
  expect(ratioOf([100, 101], [110, 111]).interval).toBeNull();
});

test('the interval of a paired share has the difference in it, and some room where no example differs', () => {
  const [low, high] = pairedShareInterval({ baseOnly: 30, headOnly: 50, examples: 1000 });
  expect(low).toBeLessThan(0.02);
  expect(high).toBeGreaterThan(0.02);
  expect(pairedShareInterval({ baseOnly: 0, headOnly: 0, examples: 1000 })[1]).toBeGreaterThan(0.001);
});
