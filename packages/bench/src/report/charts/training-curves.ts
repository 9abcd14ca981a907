import { palette, renderSvg } from './render-svg.js';

export interface Curve {
  readonly label: string;
  /** Loss of a batch by share of the phase's steps, in percent. */
  readonly points: readonly (readonly [progress: number, loss: number])[];
}

/** Running means over this many points; single batches are too noisy to compare. */
const smoothing = 5;

/** Loss over the course of training, one line per cell. */
export function trainingCurves(title: string, curves: readonly Curve[]): string {
  return renderSvg(
    {
      title: { text: title, left: 'center', textStyle: { fontSize: 14 } },
      grid: { left: 60, right: 20, top: 40, bottom: 80 },
      legend: { bottom: 0, type: 'plain', data: curves.map(({ label }) => label) },
      xAxis: { type: 'value', name: 'steps, %', nameLocation: 'middle', nameGap: 25, min: 0, max: 100 },
      yAxis: { type: 'value', name: 'loss', scale: true },
      series: curves.map(({ label, points }, i) => ({
        name: label,
        type: 'line',
        symbol: 'none',
        lineStyle: { width: 1.6, type: i < palette.length ? 'solid' : 'dashed' },
        data: runningMean(points),
      })),
    },
    560,
    380,
  );
}

function runningMean(points: Curve['points']): [number, number][] {
  return points.map(([progress], i) => {
    const window = points.slice(Math.max(0, i - smoothing + 1), i + 1);
    return [progress, window.reduce((sum, [, loss]) => sum + loss, 0) / window.length];
  });
}
