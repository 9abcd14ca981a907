import type { CurvesChart } from '@kora-bench/dashboard';
import { absent } from '../table/text-table.js';
import { escapeHtml, figure, table } from './html.js';

export interface Curve {
  readonly label: string;
  /** Of the row on the page, for its colour. */
  readonly index: number;
  /** Of every training: the loss of a batch by share of the phase's steps, in percent. */
  readonly trainings: readonly (readonly (readonly [progress: number, loss: number])[])[];
}

/** Running means over this many points; single batches are too noisy to compare. */
const smoothing = 5;

/** Loss over the course of training: a line for the mean of each method's trainings, from least to most in its shade. */
export function trainingCurves(id: string, title: string, curves: readonly Curve[]): string {
  const drawn = curves.map(({ label, index, trainings }) => ({
    label,
    index,
    points: overTrainings(trainings.map(runningMean)),
  }));
  const four = (value: number) => Number(value.toPrecision(4));
  const chart: CurvesChart = {
    kind: 'curves',
    x: 'steps, %',
    y: 'loss',
    curves: drawn.map(({ label, index, points }) => ({
      label,
      index,
      points: points.map(
        ({ progress, mean, least, most }) => [four(progress), four(mean), four(least), four(most)] as const,
      ),
    })),
  };
  const lossAt = (share: number) => (row: (typeof drawn)[number]) => {
    const point = row.points[Math.round(share * (row.points.length - 1))];
    return point === undefined ? absent : point.mean.toFixed(3);
  };
  return figure({
    id,
    title,
    chart,
    numbers: table(
      `${title}: smoothed loss`,
      [
        { title: 'method', cell: ({ label }) => escapeHtml(label) },
        ...[0, 0.25, 0.5, 0.75, 1].map((share) => ({
          title: `at ${100 * share} %`,
          numeric: true,
          cell: lossAt(share),
        })),
      ],
      drawn,
    ),
  });
}

interface CurvePoint {
  readonly progress: number;
  readonly mean: number;
  readonly least: number;
  readonly most: number;
}

/** Point by point over trainings of equal length; a training that has another length is left out. */
function overTrainings(trainings: readonly (readonly (readonly [number, number])[])[]): CurvePoint[] {
  const length = trainings[0]?.length ?? 0;
  const equal = trainings.filter((points) => points.length === length);
  return Array.from({ length }, (_, i) => {
    const losses = equal.map((points) => points[i]![1]);
    return {
      progress: equal[0]![i]![0],
      mean: losses.reduce((sum, loss) => sum + loss, 0) / losses.length,
      least: Math.min(...losses),
      most: Math.max(...losses),
    };
  });
}

function runningMean(points: Curve['trainings'][number]): (readonly [number, number])[] {
  return points.map(([progress], i) => {
    const window = points.slice(Math.max(0, i - smoothing + 1), i + 1);
    return [progress, window.reduce((sum, [, loss]) => sum + loss, 0) / window.length] as const;
  });
}
