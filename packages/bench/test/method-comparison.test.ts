import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { compareMethods, methodComparisonText, readPlan, readRecords, runPage } from '@kora-bench/bench';
import { describe, expect, test } from 'vitest';
import type { RecordedCell } from './recorded-run.js';
import { images, recordedRun } from './recorded-run.js';

/** 1000 images: good 90 %, twin 90 % on other images, poor 70 %. */
const methods: Readonly<Record<string, (i: number) => boolean>> = {
  good: (i) => i % 10 === 0,
  twin: (i) => i % 10 === 1,
  poor: (i) => i % 10 < 3,
};
const cells = (seed = 0): RecordedCell[] =>
  Object.entries(methods).map(([label, isWrong]) => ({
    label,
    seed,
    correct: images(1000, isWrong),
    mistake: 2,
  }));

async function compared(run: string) {
  const { cells: planned } = await readPlan(run);
  const records = await readRecords(
    run,
    planned.map(({ id }) => id),
  );
  return { records, found: await compareMethods(run, records) };
}

test('one seed: groups, what one seed can say, disagreement, images only one has right, the average', async () => {
  const { found } = await compared(recordedRun(cells()));
  const [comparison] = found.comparisons;
  expect(comparison!.differences.methods.map(({ label, letters }) => [label, letters])).toEqual([
    ['good', 'a'],
    ['twin', 'a'],
    ['poor', 'b'],
  ]);
  const { pairs, onlyRight, average } = comparison!.predictions!;
  expect(pairs.find(({ first, second }) => first === 'good' && second === 'twin')!.disagreement).toBeCloseTo(
    0.2,
    2,
  );
  // Where 0 mod 10, twin and poor: poor is wrong there too, so twin alone is right; and good alone where 1 mod 10.
  expect(Object.fromEntries(onlyRight.map(({ label, images: count }) => [label, count]))).toEqual({
    good: 100,
    twin: 100,
    poor: 0,
  });
  // 0.9 for the wrong class twice beats 0.9 for the right one.
  expect(average!.accuracy).toBeCloseTo(0.8, 2);
  const text = methodComparisonText(found);
  expect(text).toMatch(/good +90\.0 a/);
  expect(text).toContain('One seed: what holds, holds for these trained models');
  expect(text).toContain('The average of all 3: 80.0 %; the best alone: 90.0 %.');
});

test('several seeds: paired over all of them, and only over those that all methods have', async () => {
  const run = recordedRun([...cells(0), ...cells(1), ...cells(2).slice(1)]);
  const [comparison] = (await compared(run)).found.comparisons;
  expect(comparison!.seeds).toEqual([0, 1]);
  expect(comparison!.differences.pairs[0]!.seeds).toBe(2);
  expect(methodComparisonText({ comparisons: [comparison!], problems: [] })).toContain(
    '2 seeds, the same for all methods',
  );
});

test('the report has a section of it, with names as text', async () => {
  const { found, records } = await compared(
    recordedRun(cells().map((cell) => ({ ...cell, label: `${cell.label} <b>` }))),
  );
  const page = runPage('x', records, found);
  expect(page).toContain('<h2 id="differences-between-methods">Differences between methods</h2>');
  expect(page).toContain('good &#60;b&#62;');
  expect(page).not.toContain('good <b>');
});

describe('what cannot be compared says why and costs nothing else', () => {
  test('one method alone', async () => {
    const { found } = await compared(recordedRun(cells().slice(0, 1)));
    expect(found).toEqual({ comparisons: [], problems: [] });
    expect(methodComparisonText(found)).toBe('');
  });
  test('scores that are gone or damaged', async () => {
    const run = recordedRun(cells());
    rmSync(join(run, 'scores', 'good-s0.csv'));
    expect((await compared(run)).found.problems).toEqual([
      'source: the scores of single images are not there.',
    ]);
    writeFileSync(join(run, 'scores', 'good-s0.csv'), 'x');
    expect((await compared(run)).found.problems[0]).toContain('A file of scores is not valid.');
  });
});
