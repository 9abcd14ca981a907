import { statSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { pageScript, pageStyle } from '@kora-bench/dashboard';
import { describe, expect, test } from 'vitest';
import type { SeriesLine, SeriesName, SeriesPart } from '../src/index.js';
import { paretoFront, shortNumber } from '../src/page/charts/pareto.js';
import { matcher } from '../src/page/filters.js';
import { columnsOf, loadedLine, newVersions, shiftsOf, valueText } from '../src/page/series/line-data.js';

test('the script is a classic one, loads nothing, and stays under a megabyte with the styles', async () => {
  const [script, style] = await Promise.all([pageScript, pageStyle].map((url) => readFile(url, 'utf8')));
  expect(script).not.toMatch(/^\s*(import|export)\b/m);
  expect(`${style}`).not.toMatch(/@import|url\(/);
  expect(statSync(pageScript).size + statSync(pageStyle).size).toBeLessThan(1e6);
});

test('the front has what no other beats in cost and score', () => {
  const points = [
    { cost: 1, score: 50 },
    { cost: 2, score: 40 },
    { cost: 3, score: 60 },
    { cost: 3, score: 55 },
    { cost: 9, score: 60 },
  ];
  expect(paretoFront(points, 'higher').map(({ cost, score }) => [cost, score])).toEqual([
    [1, 50],
    [3, 60],
  ]);
  expect(paretoFront(points, 'lower').map(({ cost, score }) => [cost, score])).toEqual([
    [1, 50],
    [2, 40],
  ]);
});

test('a filter wants every word, in any order and case', () => {
  expect(matcher('Top-1 LORA')('lora with vit, source top-1')).toBe(true);
  expect(matcher('lora dora')('lora')).toBe(false);
  expect(matcher('  ')('anything')).toBe(true);
});

test('numbers are short', () => {
  expect([0.05272, 10.73, 108_004, 5.1e9].map(shortNumber)).toEqual(['0.0527', '10.7', '108k', '5.1G']);
});

describe('a line', () => {
  const name: SeriesName = {
    part: 'p',
    name: 'lora with vit',
    label: 'lora',
    machine: 'Some CPU',
    configuration: 'c',
    measures: {
      rmse: { title: 'RMSE', unit: 'm', direction: 'lower', scale: 1, digits: 2, gating: true },
    },
  };
  const line: SeriesLine = {
    id: 'p.rmse.0',
    series: 0,
    measure: 'rmse',
    seed: 0,
    points: 4,
    last: 2,
    lastDate: '2026-01-03T00:00:00.000Z',
    shifts: 1,
    lastShift: 'worse',
    drifts: false,
  };
  const entry = (day: number, versions: number) => ({
    date: `2026-01-0${day}T00:00:00.000Z`,
    commit: 'a'.repeat(40),
    dirty: false,
    run: 'r',
    versions,
  });
  const part: SeriesPart = {
    entries: [entry(1, 0), entry(2, 0), entry(2, 1), entry(3, 1)],
    versions: [{ node: '22.1' }, { node: '22.2', engine: '1' }],
    settings: null,
    marks: [],
    lines: {
      'p.rmse.0': {
        at: [0, 1, 2, 3],
        values: [1, 1, 2, 2],
        segments: [
          [0, 2, 1],
          [2, 4, 2],
        ],
        outliers: [],
        drift: null,
        noise: 0.1,
      },
    },
  };
  const loaded = loadedLine(line, name, part)!;

  test('has a place for each result, even of one moment, with its level and the band of its noise', () => {
    const [times, values, level, low, high] = columnsOf(loaded, (value) => 10 * value);
    expect(times!.every((time, i) => i === 0 || time! > times![i - 1]!)).toBe(true);
    expect(values).toEqual([10, 10, 20, 20]);
    expect(level).toEqual([10, 10, 20, 20]);
    expect(low).toEqual([9, 9, 18, 18]);
    expect(high).toEqual([11, 11, 22, 22]);
  });

  test('knows whether a shift is for the better, and what versions changed', () => {
    expect(shiftsOf(loaded)).toEqual([{ at: 2, before: 1, after: 2, verdict: 'worse' }]);
    expect(newVersions(part, part.entries[1], part.entries[2]!)).toEqual([
      'node 22.1 → 22.2',
      'engine none → 1',
    ]);
    expect(newVersions(part, undefined, part.entries[0]!)).toEqual([]);
    expect(valueText(name.measures['rmse']!, 1.234)).toBe('1.23 m');
  });

  test('of another part is not there', () => {
    expect(loadedLine({ ...line, id: 'q.rmse.0' }, name, part)).toBeNull();
  });
});
