import { readFileSync } from 'node:fs';
import { detectShifts } from '@kora-bench/comparison';
import { describe, expect, test } from 'vitest';

interface Series {
  readonly name: string;
  readonly values: readonly number[];
  readonly known: readonly number[];
  readonly asv: readonly number[];
  readonly ruptures: readonly number[];
}
const { series } = JSON.parse(readFileSync(new URL('./fixtures/shifts.json', import.meta.url), 'utf8')) as {
  readonly series: readonly Series[];
};

/** Whether two lists of places agree, each within two values. */
const agree = (a: readonly number[], b: readonly number[]) =>
  a.length === b.length && a.every((at, i) => Math.abs(at - b[i]!) <= 2);

describe.each(series)('$name', ({ name, values, known, asv, ruptures }) => {
  const found = detectShifts(values);
  const places = found.shifts.map(({ at }) => at);

  test('the known shifts are found, and no others', () => expect(agree(places, known)).toBe(true));
  test('airspeed velocity finds the same', () => expect(agree(places, asv)).toBe(true));
  test('so does ruptures, which knows no drift', () =>
    expect(agree(places, ruptures)).toBe(!name.includes('drift')));
});

const named = (part: string) => detectShifts(series.find(({ name }) => name.includes(part))!.values);

test('levels and sizes of the shifts', () => {
  const [shift] = named('one shift down').shifts;
  expect(shift!.change).toBeCloseTo(-0.2, 1);
  expect(shift!.before).toBeCloseTo(100, -1);
});

test('outliers are named and are no shifts', () => {
  expect(named('outliers alone').outliers).toEqual([10, 33, 47]);
  expect(named('among outliers').outliers).toEqual([5, 20, 60]);
});

test('a drift is reported as one, with its size', () => {
  expect(named('drift').drift).toBeCloseTo(0.2, 1);
  expect(named('one shift of').drift).toBeNull();
});

test('a single last value is no level yet; two are', () => {
  const flat = Array.from({ length: 40 }, (_, i) => 100 + (i % 3));
  expect(detectShifts([...flat, 130]).shifts).toEqual([]);
  expect(detectShifts([...flat, 130]).outliers).toEqual([40]);
  expect(detectShifts([...flat, 130, 131]).shifts.map(({ at }) => at)).toEqual([40]);
});

test('missing values, constant and short series', () => {
  expect(detectShifts([]).segments).toEqual([]);
  expect(detectShifts([5]).segments).toEqual([{ start: 0, end: 1, level: 5 }]);
  expect(detectShifts(Array(30).fill(7)).shifts).toEqual([]);
  const withGap = [...Array(20).fill(100), Number.NaN, ...Array(20).fill(110)];
  expect(detectShifts(withGap).shifts).toMatchObject([{ at: 21, before: 100, after: 110 }]);
});
