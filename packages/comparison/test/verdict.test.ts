import {
  compareBits,
  compareExact,
  comparePaired,
  compareQuality,
  compareSampled,
  confirmed,
  seriesNoise,
  verdictOf,
} from '@kora-bench/comparison';
import { describe, expect, test } from 'vitest';

const around = (level: number, n: number) =>
  Array.from({ length: n }, (_, i) => level * (1 + 0.01 * Math.sin(7 * i)));
const speed = { direction: 'higher', noise: null, floor: 0.02 } as const;

describe('exact numbers', () => {
  test('fewer parameters are better, one more is worse, equal ones are the same', () => {
    const of = (base: number, head: number) => {
      const comparison = compareExact(base, head, 'lower');
      return verdictOf(comparison, comparison.p);
    };
    expect([of(100, 99), of(100, 101), of(100, 100)]).toEqual(['better', 'worse', 'same']);
  });
});

describe('quality', () => {
  const base = Array.from({ length: 10_000 }, (_, i) => Number(i < 8000));
  const judge = (head: readonly number[], n = base.length) => {
    const [a, b] = [base.slice(0, n), head.slice(0, n)];
    const mean = (row: readonly number[]) => row.reduce((sum, value) => sum + value, 0) / n;
    const comparison = compareQuality({
      paired: comparePaired({ base: [a], head: [b] }),
      base: mean(a),
      head: mean(b),
      direction: 'higher',
      isShare: true,
      related: false,
    });
    return verdictOf(comparison, comparison.p);
  };

  test('a loss of a point is worse; the same models are the same; a few images cannot tell', () => {
    expect(judge(base.map((value, i) => (i < 100 ? 0 : value)))).toBe('worse');
    expect(judge(base)).toBe('same');
    expect(
      judge(
        base.map((value, i) => (i % 40 === 0 ? 1 - value : value)),
        200,
      ),
    ).toBe('undecided');
  });

  test('a metric that moves against the scores it is related to has no verdict', () => {
    const paired = comparePaired({ base: [base], head: [base.map((value, i) => (i < 100 ? 0 : value))] });
    const comparison = compareQuality({
      paired,
      base: 0.5,
      head: 0.52,
      direction: 'higher',
      isShare: true,
      related: true,
    });
    expect(comparison.note).toContain('opposite');
    expect(verdictOf(comparison, comparison.p)).toBe('undecided');
  });
});

describe('speed', () => {
  const judge = (...args: Parameters<typeof compareSampled>) => {
    const comparison = compareSampled(...args);
    return { ...comparison, verdict: verdictOf(comparison, comparison.p) };
  };

  test('many samples: a slow-down beyond the floor is worse, one below it the same', () => {
    expect(judge({ ...speed, base: around(100, 10), head: around(94, 10) }).verdict).toBe('worse');
    expect(judge({ ...speed, base: around(100, 10), head: around(99.5, 10) }).verdict).toBe('same');
    expect(judge({ ...speed, base: around(100, 10), head: around(106, 10) }).verdict).toBe('better');
  });

  test('a few samples say nothing, however large the change, and say so', () => {
    const found = judge({ ...speed, base: [100, 101], head: [50, 51] });
    expect(found.verdict).toBe('undecided');
    expect(found.note).toContain('cannot reach p < 0.01');
  });

  test('with a known noise a single sample can be beyond it, and a noisy series hides what a quiet one shows', () => {
    expect(judge({ ...speed, noise: 0.05, base: [100], head: [90] }).verdict).toBe('worse');
    expect(judge({ ...speed, noise: 0.2, base: [100], head: [90] }).verdict).toBe('undecided');
  });

  test('the noise of a series is rustc-perf’s: Q3 + 3 IQR of the last 30 changes; none for a short series', () => {
    const values = Array.from({ length: 41 }, (_, i) => (i % 2 === 0 ? 100 : 101));
    expect(seriesNoise(values)).toBeCloseTo(0.01 + 3 * (0.01 - 1 / 101), 3);
    expect(seriesNoise(values.slice(0, 5))).toBeNull();
  });
});

test('worse needs a rerun that is worse too', () => {
  expect(confirmed('worse', 'worse')).toBe('worse');
  expect(confirmed('worse', 'same')).toBe('undecided');
  expect(confirmed('better', 'worse')).toBe('better');
});

test('bit by bit: identical, last digits, another class', () => {
  const likeness = (a: readonly number[], b: readonly number[]) => compareBits([a], [b]).likeness;
  expect(compareBits([[1, 0.5, Number.NaN]], [[1, 0.5, Number.NaN]])).toEqual({
    likeness: 'identical',
    largest: 0,
  });
  expect(likeness([1, 0.5], [1, 0.500001])).toBe('differs in the last digits');
  // Relative to the largest of its list: small numbers that were rounded are no more different than large ones.
  expect(likeness([0.9, 0.0481], [0.9, 0.0482])).toBe('differs in the last digits');
  expect(likeness([1, 0.5], [1, 0.51])).toBe('differs');
  expect(likeness([70001, 0.5], [70002, 0.5])).toBe('differs');
  expect(likeness([0.5], [Number.NaN])).toBe('differs');
  expect(compareBits([[1]], [[1, 2]]).likeness).toBe('differs');
});
