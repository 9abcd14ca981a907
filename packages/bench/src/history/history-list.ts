import type { SeriesShifts } from '@kora-bench/comparison';
import { detectShifts } from '@kora-bench/comparison';
import { measureText } from '../measures/measures.js';
import { plainTable, plural } from '../table/text-table.js';
import { damageText } from './history-cells.js';
import type { History, StoredSeries } from './history-files.js';

/** One measure of one series over time. */
export interface ListedMeasure {
  readonly measure: string;
  readonly title: string;
  readonly seed: number;
  readonly values: readonly number[];
  readonly commits: readonly (string | null)[];
  readonly dates: readonly string[];
  readonly shifts: SeriesShifts;
}

export interface ListedSeries {
  readonly file: string;
  readonly name: string;
  readonly testbed: string;
  readonly entries: number;
  readonly measures: readonly ListedMeasure[];
  readonly marks: StoredSeries['marks'];
}

/** The series of a history with the shifts of every measure. */
export function listHistory({ series }: Pick<History, 'series'>): ListedSeries[] {
  return series.map(({ file, definition, entries, marks }) => ({
    file,
    name: definition.name,
    testbed: definition.testbed.id,
    entries: entries.length,
    marks,
    measures: Object.entries(definition.measures).flatMap(([measure, { title }]) =>
      [...new Set(entries.map(({ seed }) => seed))]
        .sort((a, b) => a - b)
        .flatMap((seed) => {
          const own = entries.filter((entry) => entry.seed === seed && entry.values[measure] !== undefined);
          const values = own.map((entry) => entry.values[measure]!.value);
          if (values.length === 0) return [];
          return [
            {
              measure,
              title,
              seed,
              values,
              commits: own.map(({ commit }) => commit),
              dates: own.map(({ date }) => date),
              shifts: detectShifts(values),
            },
          ];
        }),
    ),
  }));
}

/** A history for a terminal: its series, their newest primary values, the shifts, the marks and what is damaged. */
export function historyText(history: History): string {
  const listed = listHistory(history);
  if (listed.length === 0) {
    return ['The history is empty; `history add RUN` adds a run.', ...damageLines(history)].join('\n');
  }
  const rows = listed.map(({ name, testbed, entries, marks, measures }) => [
    name,
    testbed,
    String(entries),
    measures[0]?.dates[0]?.slice(0, 10) ?? '',
    measures[0]?.dates.at(-1)?.slice(0, 10) ?? '',
    String(measures.reduce((sum, { shifts }) => sum + shifts.shifts.length, 0)),
    String(marks.length),
  ]);
  const changes = listed.flatMap((series, i) =>
    series.measures.flatMap((measure) => changesOf(series, measure, history.series[i]!)),
  );
  return [
    plainTable(
      [
        { title: 'series' },
        { title: 'machine' },
        { title: 'entries', numeric: true },
        { title: 'first' },
        { title: 'last' },
        { title: 'shifts', numeric: true },
        { title: 'marks', numeric: true },
      ],
      rows,
    ),
    ...(changes.length === 0 ? ['No measure has a shift or drifts.'] : changes),
    ...listed.flatMap(({ name, marks }) =>
      marks.map(
        ({ commit, measure, text, by, date }) =>
          `Accepted in ${name}${measure === null ? '' : `, ${measure}`} from ${commit.slice(0, 10)}: ${text} (${by}, ${date.slice(0, 10)})`,
      ),
    ),
    ...damageLines(history),
  ].join('\n');
}

function changesOf(
  series: ListedSeries,
  { measure, title, seed, commits, dates, shifts }: ListedMeasure,
  { definition }: StoredSeries,
) {
  const shown = (value: number) => measureText(definition.measures[measure]!, value);
  const where = `${series.name}, ${title}, seed ${seed}`;
  const accepted = (commit: string | null) =>
    series.marks.some(
      (mark) => commit?.startsWith(mark.commit) && (mark.measure === null || mark.measure === measure),
    );
  return [
    ...shifts.shifts.map(({ at, before, after, change }) => {
      const commit = commits[at] ?? null;
      const percent = `${change > 0 ? '+' : ''}${(100 * change).toFixed(1)} %`;
      return `Shift of ${percent} in ${where}: ${shown(before)} to ${shown(after)} at ${commit?.slice(0, 10) ?? 'an unknown commit'}, ${dates[at]!.slice(0, 10)}${accepted(commit) ? ', accepted' : ''}`;
    }),
    ...(shifts.drift === null ? [] : [`Drift of ${(100 * shifts.drift).toFixed(1)} % in ${where}`]),
  ];
}

/** What could not be read. */
export function damageLines({ damaged }: Pick<History, 'damaged'>): string[] {
  if (damaged.length === 0) return [];
  return [
    `${plural(damaged.length, 'line')} ${damaged.length === 1 ? 'is' : 'are'} damaged, passed over and kept:`,
    ...damaged.map((one) => `  ${damageText(one)}`),
  ];
}
