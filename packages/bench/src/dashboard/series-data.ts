import { createHash } from 'node:crypto';
import type { SeriesShifts } from '@kora-bench/comparison';
import { detectShifts, seriesNoise } from '@kora-bench/comparison';
import type { SeriesEntry, SeriesIndex, SeriesLine, SeriesPart, SeriesValues } from '@kora-bench/dashboard';
import type { StoredSeries } from '../history/history-files.js';

/** The series of a site as its pages have them. */
export interface SeriesData {
  readonly index: SeriesIndex;
  /** By name. */
  readonly parts: ReadonlyMap<string, SeriesPart>;
  /** Every shift and drift, the newest first. */
  readonly shifts: readonly FoundShift[];
}

/** A shift in a series, or its drift. */
export interface FoundShift {
  readonly line: SeriesLine;
  readonly series: StoredSeries;
  readonly date: string;
  readonly commit: string | null;
  readonly before: number;
  readonly after: number;
  /** after / before − 1 */
  readonly change: number;
  readonly isDrift: boolean;
  /** Who says that it is accepted, and why. */
  readonly accepted: string | null;
  /** Whether it is at the series' newest commit. */
  readonly isNew: boolean;
}

/** Shifts of series that were looked at before, so that a server does not look for them again. */
export type KnownShifts = Map<string, SeriesShifts>;

/** Names a series' part; the same as long as its file has the same name, so that links last. */
export function partName(file: string): string {
  return createHash('sha256').update(file).digest('hex').slice(0, 10);
}

/** Looks at every measure and seed of every series. */
export function seriesData(series: readonly StoredSeries[], known: KnownShifts = new Map()): SeriesData {
  const names: SeriesIndex['series'][number][] = [];
  const lines: SeriesLine[] = [];
  const parts = new Map<string, SeriesPart>();
  const shifts: FoundShift[] = [];
  for (const one of series) {
    const part = partName(one.file);
    const found = linesOf(one, { part, place: names.length, known });
    if (found.lines.length === 0) continue;
    const { definition } = one;
    names.push({
      part,
      name: definition.name,
      label: definition.label,
      machine: definition.testbed.description,
      configuration: definition.configuration,
      measures: Object.fromEntries(
        Object.entries(definition.measures).map(([key, { title, unit, direction, format, gating }]) => [
          key,
          { title, unit, direction, scale: format.scale, digits: format.digits, gating },
        ]),
      ),
    });
    lines.push(...found.lines);
    parts.set(part, { ...found.entries, settings: definition.settings, lines: found.values });
    shifts.push(...found.shifts);
  }
  return {
    index: { series: names, lines },
    parts,
    shifts: shifts.toSorted((a, b) => (a.date < b.date ? 1 : a.date > b.date ? -1 : 0)),
  };
}

interface LinesSettings {
  readonly part: string;
  readonly place: number;
  readonly known: KnownShifts;
}

function linesOf(series: StoredSeries, { part, place, known }: LinesSettings) {
  const { definition, entries, marks } = series;
  const lines: SeriesLine[] = [];
  const values: Record<string, SeriesValues> = {};
  const shifts: FoundShift[] = [];
  const seeds = [...new Set(entries.map(({ seed }) => seed))].sort((a, b) => a - b);
  for (const [measure, { direction }] of Object.entries(definition.measures)) {
    for (const seed of seeds) {
      const at = entries.flatMap((entry, i) =>
        entry.seed === seed && entry.values[measure] !== undefined ? [i] : [],
      );
      const newest = entries[at.at(-1)!];
      if (newest === undefined) continue;
      const own = at.map((i) => entries[i]!.values[measure]!.value);
      const key = JSON.stringify([series.file, measure, seed, own.length, newest.id]);
      const found = known.get(key) ?? detectShifts(own);
      known.set(key, found);
      const lastShift = found.shifts.at(-1);
      const line: SeriesLine = {
        id: `${part}.${measure.replaceAll(',', '_')}.${seed}`,
        series: place,
        measure,
        seed,
        points: own.length,
        last: own.at(-1)!,
        lastDate: newest.date,
        shifts: found.shifts.length,
        lastShift:
          lastShift === undefined
            ? null
            : lastShift.after > lastShift.before === (direction === 'higher')
              ? 'better'
              : 'worse',
        drifts: found.drift !== null,
      };
      lines.push(line);
      values[line.id] = {
        at,
        values: own,
        segments: found.segments.map(({ start, end, level }) => [start, end, level] as const),
        outliers: found.outliers,
        drift: found.drift,
        noise: seriesNoise(own),
      };
      const acceptedBy = (commit: string | null) => {
        const mark = marks.find(
          (one) => commit?.startsWith(one.commit) && (one.measure === null || one.measure === measure),
        );
        return mark === undefined ? null : `${mark.text} (${mark.by})`;
      };
      for (const { at: start, before, after, change } of found.shifts) {
        const { date, commit } = entries[at[start]!]!;
        const isNew = commit !== null && commit === newest.commit;
        const accepted = acceptedBy(commit);
        shifts.push({ line, series, date, commit, before, after, change, accepted, isNew, isDrift: false });
      }
      if (found.drift !== null) {
        const { date, commit } = newest;
        const [before, after] = [own[0]!, own.at(-1)!];
        const what = { before, after, change: found.drift, accepted: acceptedBy(commit) };
        shifts.push({ line, series, date, commit, ...what, isNew: false, isDrift: true });
      }
    }
  }
  return { lines, values, shifts, entries: entriesOf(series) };
}

/** Versions are kept once: they are the same in most entries. */
function entriesOf({ entries, marks }: StoredSeries): Pick<SeriesPart, 'entries' | 'versions' | 'marks'> {
  const places = new Map<string, number>();
  const versions: Readonly<Record<string, string>>[] = [];
  const shown = entries.map((entry): SeriesEntry => {
    const { date, commit, dirty, run } = entry;
    const key = JSON.stringify(entry.versions);
    const place = places.get(key) ?? versions.push(entry.versions) - 1;
    places.set(key, place);
    return { date, commit, dirty, run, versions: place };
  });
  return {
    entries: shown,
    versions,
    marks: marks.map(({ commit, measure, text, by }) => ({ commit, measure, text, by })),
  };
}
