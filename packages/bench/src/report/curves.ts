import { palette, renderSvg, rowColour } from './svg.js';

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
export function trainingCurves(title: string, curves: readonly Curve[]): string {
  const drawn = curves.map(({ label, index, trainings }) => ({
    label,
    index,
    points: overTrainings(trainings.map(runningMean)),
  }));
  return renderSvg(
    {
      title: { text: title, left: 'center', textStyle: { fontSize: 14 } },
      grid: { left: 60, right: 20, top: 40, bottom: 60 + 22 * Math.ceil(curves.length / 4) },
      legend: { bottom: 0, type: 'plain', data: curves.map(({ label }) => label) },
      xAxis: { type: 'value', name: 'steps, %', nameLocation: 'middle', nameGap: 25, min: 0, max: 100 },
      yAxis: { type: 'value', name: 'loss', scale: true },
      series: drawn.flatMap(({ label, index, points }) => [
        ...(points.some(({ least, most }) => most > least) ? [band(index, points)] : []),
        {
          name: label,
          type: 'line',
          symbol: 'none',
          itemStyle: { color: rowColour(index) },
          lineStyle: {
            width: 1.6,
            color: rowColour(index),
            type: index < palette.length ? 'solid' : 'dashed',
          },
          data: points.map(({ progress, mean }) => [progress, mean]),
        },
      ]),
    },
    560,
    380,
  );
}

interface CurvePoint {
  readonly progress: number;
  readonly mean: number;
  readonly least: number;
  readonly most: number;
}

interface DrawingArea {
  coord(point: readonly [number, number]): [number, number];
}

/** The area between the least and the most of a method's trainings. */
function band(index: number, points: readonly CurvePoint[]) {
  const outline = [
    ...points.map(({ progress, most }) => [progress, most] as const),
    ...points.toReversed().map(({ progress, least }) => [progress, least] as const),
  ];
  return {
    type: 'custom',
    silent: true,
    data: points.map(({ progress, least, most }) => [progress, least, most]),
    encode: { x: 0, y: [1, 2] },
    renderItem: ({ dataIndex }: { dataIndex: number }, area: DrawingArea) =>
      dataIndex === 0
        ? {
            type: 'polygon',
            shape: { points: outline.map((point) => area.coord(point)) },
            style: { fill: rowColour(index), opacity: 0.18 },
          }
        : undefined,
  };
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
