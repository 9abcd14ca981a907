import type {
  SeriesEntry,
  SeriesLine,
  SeriesMeasure,
  SeriesName,
  SeriesPart,
  SeriesValues,
} from '../../series.js';

/** A line with its values and all that says what it is. */
export interface LoadedLine {
  readonly line: SeriesLine;
  readonly name: SeriesName;
  readonly measure: SeriesMeasure;
  readonly part: SeriesPart;
  readonly values: SeriesValues;
  /** Seconds since 1970 of each value, rising. */
  readonly times: readonly number[];
}

export function loadedLine(line: SeriesLine, name: SeriesName, part: SeriesPart): LoadedLine | null {
  const values = part.lines[line.id];
  const measure = name.measures[line.measure];
  if (values === undefined || measure === undefined) return null;
  const times: number[] = [];
  for (const at of values.at) {
    const time = Date.parse(part.entries[at]!.date) / 1000;
    // Two results of one moment stand beside each other.
    times.push(Math.max(time, (times.at(-1) ?? Number.NEGATIVE_INFINITY) + 0.001));
  }
  return { line, name, measure, part, values, times };
}

/** What a value is drawn as. */
export type Shown = (value: number) => number;

/** Columns of a plot: time, value, level, and the ends of the band that the series moves in by itself. */
export function columnsOf(
  { values, times }: LoadedLine,
  shown: Shown,
): readonly (readonly (number | null)[])[] {
  const level: (number | null)[] = values.values.map(() => null);
  for (const [start, end, of] of values.segments) for (let i = start; i < end; i++) level[i] = of;
  const edge = (sign: number) =>
    level.map((of) =>
      of === null || values.noise === null ? null : shown(of + sign * values.noise * Math.abs(of)),
    );
  return [
    times,
    values.values.map(shown),
    level.map((of) => (of === null ? null : shown(of))),
    edge(-1),
    edge(1),
  ];
}

export interface LineShift {
  /** Place of the first value on the new level. */
  readonly at: number;
  readonly before: number;
  readonly after: number;
  readonly verdict: 'better' | 'worse';
}

export function shiftsOf({ values: { segments }, measure }: LoadedLine): LineShift[] {
  return segments.slice(1).map(([at, , after], i) => {
    const before = segments[i]![2];
    const isBetter = after > before === (measure.direction === 'higher');
    return { at, before, after, verdict: isBetter ? 'better' : 'worse' };
  });
}

export function valueText({ scale, digits, unit }: SeriesMeasure, value: number): string {
  const text = (value * scale).toLocaleString('en', {
    minimumFractionDigits: digits,
    maximumFractionDigits: digits,
    useGrouping: Math.abs(value * scale) >= 1e4,
  });
  return unit === '' ? text : `${text} ${unit}`;
}

export function commitText({ commit, dirty }: Pick<SeriesEntry, 'commit' | 'dirty'>): string {
  return `${commit?.slice(0, 10) ?? 'no commit'}${dirty === true ? ', with uncommitted changes' : ''}`;
}

/** What is of another version than in the entry before. */
export function newVersions(
  { versions }: SeriesPart,
  before: SeriesEntry | undefined,
  now: SeriesEntry,
): string[] {
  if (before === undefined || before.versions === now.versions) return [];
  const [old, fresh] = [versions[before.versions] ?? {}, versions[now.versions] ?? {}];
  return [...new Set([...Object.keys(old), ...Object.keys(fresh)])].flatMap((name) =>
    old[name] === fresh[name] ? [] : [`${name} ${old[name] ?? 'none'} → ${fresh[name] ?? 'none'}`],
  );
}
