import type { History } from './history-files.js';

/** One value of a history with everything that says what it is: a row of a table. */
export interface HistoryRow {
  readonly testbed: string;
  readonly series: string;
  readonly measure: string;
  readonly title: string;
  readonly phase: string | null;
  readonly unit: string;
  readonly direction: 'higher' | 'lower';
  readonly gating: boolean;
  readonly date: string;
  readonly commit: string | null;
  readonly dirty: boolean | null;
  readonly seed: number;
  readonly run: string;
  /** In the unit, as tables show it: a share of 0.61 is 61 %. */
  readonly value: number;
  readonly low: number | null;
  readonly high: number | null;
  readonly examples: number | null;
  readonly configuration: string;
}

/** Every value of a history, series by series in order of time. */
export function historyRows({ series }: Pick<History, 'series'>): HistoryRow[] {
  return series.flatMap(({ definition, entries }) =>
    entries.flatMap((entry) =>
      Object.entries(entry.values).flatMap(([measure, { value, interval, examples = null }]) => {
        const own = definition.measures[measure];
        if (own === undefined) return [];
        const { title, phase, unit, direction, gating, format } = own;
        const scaled = (of: number) => Number((of * format.scale).toPrecision(15));
        return [
          {
            testbed: definition.testbed.id,
            series: definition.name,
            measure,
            title,
            phase,
            unit,
            direction,
            gating,
            date: entry.date,
            commit: entry.commit,
            dirty: entry.dirty,
            seed: entry.seed,
            run: entry.run,
            value: scaled(value),
            low: interval ? scaled(interval[0]) : null,
            high: interval ? scaled(interval[1]) : null,
            examples,
            configuration: definition.configuration,
          },
        ];
      }),
    ),
  );
}

/** The newest row of each measure of each series and seed. */
export function newestRows(rows: readonly HistoryRow[]): HistoryRow[] {
  const keyOf = ({ testbed, configuration, series, measure, seed }: HistoryRow) =>
    JSON.stringify([testbed, configuration, series, measure, seed]);
  return [...new Map(rows.map((row) => [keyOf(row), row])).values()];
}

/** Names that are unique among some rows: the machine and the seed only where there are several. */
export function benchmarkNames(rows: readonly HistoryRow[]): (row: HistoryRow) => string {
  const several = (of: (row: HistoryRow) => unknown) => new Set(rows.map(of)).size > 1;
  const machines = several(({ testbed }) => testbed);
  const seeds = several(({ seed }) => seed);
  const twice = new Map<string, Set<string>>();
  for (const { series, configuration } of rows)
    twice.set(series, (twice.get(series) ?? new Set()).add(configuration));
  return ({ testbed, series, seed, configuration }) =>
    [
      series,
      ...(twice.get(series)!.size > 1 ? [configuration.slice(0, 8)] : []),
      ...(seeds ? [`seed ${seed}`] : []),
      ...(machines ? [`on ${testbed}`] : []),
    ].join(' ');
}
