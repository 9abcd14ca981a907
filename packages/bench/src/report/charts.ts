import type { CostAxis, IntervalsChart, Named, ParetoChart, ScoreAxis } from '@kora-bench/dashboard';
import { absent } from '../table/text-table.js';
import type { Column } from './html.js';
import { escapeHtml, figure, table } from './html.js';

/** A row's score with its uncertainty and its costs, in the units that are shown. */
export interface ScorePoint extends Named {
  readonly score: number;
  readonly interval: readonly [low: number, high: number] | null;
  /** The single measurements that the score is the mean of. */
  readonly measurements: readonly number[];
  /** By key of {@link CostAxis}. */
  readonly costs: Readonly<Record<string, number>>;
}

export interface ScoreSpec {
  /** Begins the ids of its charts. */
  readonly id: string;
  readonly axis: ScoreAxis;
  readonly points: readonly ScorePoint[];
  readonly line?: NonNullable<IntervalsChart['line']>;
}

/** What methods cost, as charts have it. */
export const costAxes = {
  tuned: { key: 'tuned', name: 'tuned parameters', title: 'tuned parameters, %', scale: 'log' },
  time: { key: 'time', name: 'time', title: 'training step, ms per image', scale: 'log' },
  memory: { key: 'memory', name: 'memory', title: 'peak memory, MB', scale: 'linear' },
} as const satisfies Readonly<Record<string, CostAxis>>;

function scoreColumns({ axis }: Pick<ScoreSpec, 'axis'>): Column<ScorePoint>[] {
  const text = (value: number) => value.toFixed(axis.digits);
  return [
    { title: 'method', cell: ({ label }) => escapeHtml(label) },
    { title: axis.title, numeric: true, cell: ({ score }) => text(score) },
    {
      title: '95 % interval',
      numeric: true,
      cell: ({ interval }) => (interval === null ? absent : `[${interval.map(text).join(', ')}]`),
    },
  ];
}

/** Scores below each other: the mean, its interval, and every single measurement. */
export function intervalFigure(spec: ScoreSpec, title: string): string {
  const { id, axis, points, line } = spec;
  const chart: IntervalsChart = {
    kind: 'intervals',
    axis,
    points: points.map(({ costs, ...point }) => point),
    ...(line !== undefined && { line }),
  };
  return figure({ id: `${id}-scores`, title, chart, numbers: table(title, scoreColumns(spec), points) });
}

/** A score over what it costs, the front joined by a line. */
export function paretoFigure(spec: ScoreSpec, costs: readonly CostAxis[], title: string): string {
  const { id, axis, points } = spec;
  const known = costs.filter(({ key }) => points.some((point) => point.costs[key] !== undefined));
  const chart: ParetoChart = {
    kind: 'pareto',
    axis,
    costs: known,
    points: points.map(({ measurements, ...point }) => point),
  };
  const columns = [
    ...scoreColumns(spec),
    ...known.map(
      (cost): Column<ScorePoint> => ({
        title: cost.title,
        numeric: true,
        cell: ({ costs: { [cost.key]: value } }) =>
          value === undefined ? absent : String(Number(value.toPrecision(4))),
      }),
    ),
  ];
  return figure({ id: `${id}-pareto`, title, chart, numbers: table(title, columns, points) });
}
