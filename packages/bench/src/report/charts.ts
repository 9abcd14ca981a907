import { HeatmapChart, LineChart, ScatterChart } from 'echarts/charts';
import { GridComponent, LegendComponent, TitleComponent, VisualMapComponent } from 'echarts/components';
import type { EChartsCoreOption } from 'echarts/core';
import { init, use } from 'echarts/core';
import { SVGRenderer } from 'echarts/renderers';

export interface ParetoPoint {
  readonly label: string;
  /** Trainable share of all parameters in percent. */
  readonly cost: number;
  /** The metric as it is shown. */
  readonly score: number;
}

/** Points that no other point beats in both cost and score. */
export function paretoFront(points: readonly ParetoPoint[], higherIsBetter = true): ParetoPoint[] {
  const sign = higherIsBetter ? 1 : -1;
  const beaten = (point: ParetoPoint) =>
    points.some(({ cost, score }) => {
      const ahead = sign * (score - point.score);
      return cost <= point.cost && ahead >= 0 && (cost < point.cost || ahead > 0);
    });
  return points.filter((point) => !beaten(point)).sort((a, b) => a.cost - b.cost);
}

export interface ParetoSpec {
  readonly title: string;
  /** What the scores are, with the unit, e.g. `top-1 %`. */
  readonly score: string;
  readonly higherIsBetter: boolean;
  readonly points: readonly ParetoPoint[];
}

/** A score over the trainable share, the front joined by a line. */
export function paretoChart({ title, score, higherIsBetter, points }: ParetoSpec): string {
  const at = (point: ParetoPoint): [number, number] => [point.cost, point.score];
  return renderSvg(
    {
      title: { text: title, left: 'center', textStyle: { fontSize: 14 } },
      grid: { left: 60, right: 110, top: 40, bottom: 50 },
      xAxis: { type: 'log', name: 'tuned parameters, %', nameLocation: 'middle', nameGap: 30 },
      yAxis: { type: 'value', name: score, scale: true },
      series: [
        {
          type: 'line',
          data: paretoFront(points, higherIsBetter).map(at),
          symbol: 'none',
          lineStyle: { type: 'dashed', color: '#999999' },
        },
        {
          type: 'scatter',
          symbolSize: 11,
          data: points.map((point) => ({ value: at(point), name: point.label })),
          label: { show: true, position: 'right', formatter: '{b}', fontSize: 11 },
          labelLayout: { moveOverlap: 'shiftY' },
        },
      ],
    },
    560,
    360,
  );
}

/** Similarity between layers as a square of colours; undefined values stay white. */
export function ckaHeatmap(title: string, matrix: readonly (readonly (number | null)[])[]): string {
  const layers = matrix.map((_, i) => String(i));
  const cells = matrix.flatMap((row, i) =>
    row.flatMap((value, j) => (value === null ? [] : [[j, i, Number(value.toFixed(3))]])),
  );
  return renderSvg(
    {
      title: { text: title, left: 'center', textStyle: { fontSize: 13 } },
      grid: { left: 40, right: 60, top: 35, bottom: 40 },
      xAxis: { type: 'category', data: layers, name: 'block', nameLocation: 'middle', nameGap: 24 },
      yAxis: { type: 'category', data: layers, inverse: true },
      visualMap: {
        min: 0,
        max: 1,
        right: 0,
        top: 'middle',
        itemHeight: 120,
        inRange: { color: ['#f7fbff', '#6baed6', '#08306b'] },
      },
      series: [
        {
          type: 'heatmap',
          data: cells,
          label: { show: layers.length <= 12, fontSize: 9, formatter: labelOf },
        },
      ],
    },
    330,
    300,
  );
}

function labelOf({ value }: { value: readonly number[] }): string {
  return value[2]!.toFixed(2).replace(/^0/, '');
}

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

use([
  HeatmapChart,
  LineChart,
  ScatterChart,
  GridComponent,
  LegendComponent,
  TitleComponent,
  VisualMapComponent,
  SVGRenderer,
]);

/** Okabe and Ito's palette, told apart by readers with colour-vision deficiency. */
export const palette = [
  '#0072B2',
  '#D55E00',
  '#009E73',
  '#CC79A7',
  '#E69F00',
  '#56B4E9',
  '#7F7F7F',
  '#000000',
];

/** Draws a chart as an SVG element, without a browser. */
export function renderSvg(option: EChartsCoreOption, width: number, height: number): string {
  const chart = init(null, null, { renderer: 'svg', ssr: true, width, height });
  chart.setOption({ animation: false, color: palette, backgroundColor: 'transparent', ...option });
  const svg = chart.renderToSVGString();
  chart.dispose();
  return svg;
}
