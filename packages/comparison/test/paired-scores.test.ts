import { comparePaired, pooledValue } from '@kora-bench/comparison';
import { randomStream } from '@kora-bench/core/random';
import { describe, expect, test } from 'vitest';

const noise = (label: string, n: number, seed = 0) => {
  const stream = randomStream(seed, label);
  return Array.from({ length: n }, () => stream.normal());
};
const flip = (row: readonly number[], from: number, to: number) =>
  row.map((value, i) => (i >= from && i < to ? 1 - value : value));

describe('one seed', () => {
  const base = Array.from({ length: 2000 }, (_, i) => Number(i < 1500));

  test('shares: McNemar’s exact test, and an interval around the difference', () => {
    const found = comparePaired({ base: [base], head: [flip(base, 0, 20)] });
    expect(found).toMatchObject({ test: 'McNemar, exact', examples: 2000, seeds: 1 });
    expect(found.difference).toBeCloseTo(-0.01, 12);
    expect(found.p).toBeCloseTo(2 * 0.5 ** 20, 12);
    expect(found.interval[0]).toBeLessThan(-0.01);
    expect(found.interval[1]).toBeLessThan(0);
  });

  test('the same models differ by nothing, with p = 1', () => {
    const same = comparePaired({ base: [base], head: [base] });
    expect(same).toMatchObject({ difference: 0, p: 1 });
    const loss = noise('loss', 100).map(Math.abs);
    expect(comparePaired({ base: [loss], head: [loss] })).toMatchObject({
      difference: 0,
      p: 1,
      interval: [0, 0],
    });
  });

  test('resamples are the same every time', () => {
    const pair = { base: [noise('a', 300)], head: [noise('b', 300)] };
    expect(comparePaired(pair)).toEqual(comparePaired(pair));
  });

  test('an example without a score under one model counts under neither', () => {
    const found = comparePaired({ base: [[1, Number.NaN, 3, 4]], head: [[2, 9, 4, Number.NaN]] });
    expect(found).toMatchObject({ examples: 2, difference: 1 });
  });

  test('root-mean-square with weights: the difference of the metric itself, pixels counted', () => {
    const [a, b, pixels] = [
      [1, 2, 3],
      [1.5, 2, 2],
      [100, 50, 10],
    ] as const;
    const pooled = (row: readonly number[]) =>
      Math.sqrt(row.reduce((sum, value, i) => sum + value ** 2 * pixels[i]!, 0) / 160);
    expect(pooledValue(a, 'root-mean-square', pixels)).toBeCloseTo(pooled(a), 12);
    const found = comparePaired({ base: [a], head: [b], weights: pixels }, { pooledAs: 'root-mean-square' });
    expect(found.difference).toBeCloseTo(pooled(b) - pooled(a), 12);
  });

  test('a bootstrap keeps its level: of 200 equal pairs of skewed losses about 1 % are below 0.01', () => {
    let alarms = 0;
    for (let trial = 0; trial < 200; trial++) {
      const [a, b] = [noise('a', 150, trial), noise('b', 150, trial)].map((row) =>
        row.map((x) => Math.exp(x)),
      );
      if (comparePaired({ base: [a!], head: [b!] }, { resamples: 999 }).p < 0.01) alarms++;
    }
    expect(alarms).toBeLessThanOrEqual(6);
  });
});

describe('several seeds', () => {
  const seeds = [0, 1, 2];
  const rows = (shift: readonly number[]) =>
    seeds.map((seed) => noise('images', 400, seed).map((value) => value + shift[seed]!));

  test('agreeing seeds: over images, each with all its seeds', () => {
    const found = comparePaired({
      base: rows([0, 0, 0]),
      head: seeds.map((s) => noise('head', 400, s).map((v) => v + 0.5)),
    });
    expect(found.test).toBe('paired bootstrap over images');
    expect(found.seeds).toBe(3);
    expect(found.p).toBeLessThan(0.001);
  });

  test('no image differs under any seed: a few images say less than many', () => {
    const rows = (n: number) =>
      seeds.map((seed) => Array.from({ length: n }, (_, i) => Number((i + seed) % 3 === 0)));
    const [few, many] = [100, 10_000].map((n) => comparePaired({ base: rows(n), head: rows(n) }).interval[1]);
    expect(few).toBeGreaterThan(0.005);
    expect(many).toBeLessThan(0.001);
  });

  test('seeds that disagree: one large gain is no gain of the method', () => {
    const found = comparePaired({
      base: rows([0, 0, 0]),
      head: rows([0.9, -0.1, 0.1]).map((row, s) => row.map((v, i) => v + 0.1 * noise('x', 400, s)[i]!)),
    });
    expect(found.test).toBe('paired over seeds and images');
    expect(found.difference).toBeCloseTo(0.3, 1);
    // Student's t over three seeds: 0.3 ± 0.31 · 4.3.
    expect(found.p).toBeGreaterThan(0.3);
    expect(found.bySeed).toHaveLength(3);
  });
});

test('rows that do not fit each other are refused', () => {
  expect(() => comparePaired({ base: [[1, 2]], head: [[1]] })).toThrow('cannot be paired');
  expect(() => comparePaired({ base: [[Number.NaN]], head: [[1]] })).toThrow('No example');
});
