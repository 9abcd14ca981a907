import {
  agreementOf,
  averageAccuracy,
  compactLetters,
  methodDifferences,
  onlyRight,
} from '@kora-bench/comparison';
import { describe, expect, test } from 'vitest';

describe('letters', () => {
  test('the best share a, and things between two groups have both letters', () => {
    // 0 differs from 2 and 3, 1 from 3.
    expect(
      compactLetters(4, [
        [0, 2],
        [0, 3],
        [1, 3],
      ]),
    ).toEqual(['a', 'ab', 'bc', 'c']);
  });
  test('no difference: one group; all differ: one each', () => {
    expect(compactLetters(3, [])).toEqual(['a', 'a', 'a']);
    expect(
      compactLetters(3, [
        [0, 1],
        [0, 2],
        [1, 2],
      ]),
    ).toEqual(['a', 'b', 'c']);
  });
  test('two share a letter exactly where no difference is known, for every graph of five', () => {
    const pairs = [0, 1, 2, 3, 4].flatMap((i) =>
      [0, 1, 2, 3, 4].filter((j) => j > i).map((j) => [i, j] as const),
    );
    for (let graph = 0; graph < 2 ** pairs.length; graph += 7) {
      const differs = pairs.filter((_, k) => graph & (1 << k));
      const letters = compactLetters(5, differs);
      for (const [i, j] of pairs) {
        const shared = [...letters[i]!].some((letter) => letters[j]!.includes(letter));
        expect(shared).toBe(
          !differs.includes([i, j] as never) && !differs.some(([a, b]) => a === i && b === j),
        );
      }
    }
  });
});

test('which differences between methods hold: a clear one does, a chance one does not', () => {
  const images = Array.from({ length: 2000 }, (_, i) => i);
  const right = (test: (i: number) => boolean) => images.map((i) => Number(test(i)));
  const scores = {
    best: right((i) => i % 10 < 8),
    twin: right((i) => (i % 200 === 0 || i % 200 === 109 ? i % 10 >= 8 : i % 10 < 8)),
    worst: right((i) => i % 10 < 6),
  };
  const found = methodDifferences(
    Object.entries(scores).map(([label, row]) => ({
      label,
      value: row.reduce((sum, value) => sum + value, 0) / row.length,
      scores: [row],
    })),
    { direction: 'higher', pooledAs: 'mean' },
  );
  expect(found.methods.map(({ label, letters }) => [label, letters])).toEqual([
    ['best', 'a'],
    ['twin', 'a'],
    ['worst', 'b'],
  ]);
  expect(found.pairs.map(({ first, second, holds }) => [first, second, holds])).toEqual([
    ['best', 'twin', false],
    ['best', 'worst', true],
    ['twin', 'worst', true],
  ]);
});

describe('agreement', () => {
  test('disagreement and Cohen’s kappa of the textbook', () => {
    // 20 and 15 agree, 5 and 10 do not: kappa 0.4.
    const a = [...Array(25).fill(1), ...Array(25).fill(0)];
    const b = [...Array(20).fill(1), ...Array(5).fill(0), ...Array(10).fill(1), ...Array(15).fill(0)];
    const found = agreementOf(a, b);
    expect(found.disagreement).toBeCloseTo(0.3, 12);
    expect(found.kappa).toBeCloseTo(0.4, 12);
    expect(agreementOf([1, 1], [1, 1]).kappa).toBeNull();
  });

  test('images that one model alone has right', () => {
    expect(
      onlyRight({
        labels: [0, 1, 2, 3],
        predicted: [
          [0, 1, 0, 0],
          [0, 0, 2, 0],
        ],
      }),
    ).toEqual([[1], [2]]);
  });

  test('the average can be right where each model is wrong, and is certain where little is missing', () => {
    const models = [
      { classes: [0, 2, 1, 0, 0, 1], probabilities: [0.5, 0.45, 0.9, 0.08, 0.4, 0.3] },
      { classes: [1, 2, 1, 0, 2, 1], probabilities: [0.5, 0.45, 0.9, 0.08, 0.35, 0.28] },
    ];
    const { accuracy, certain } = averageAccuracy([2, 1, 1], models);
    expect(accuracy).toBe(1);
    // Of the third image, class 0 could have up to 0.4 + 0.28.
    expect(certain).toBeCloseTo(2 / 3, 12);
  });
});
