import { renderSvg, rowColour } from './svg.js';

/** A row's score with its uncertainty, in the units that are shown. */
export interface ScorePoint {
  readonly label: string;
  /** Of the row on the page, for its colour. */
  readonly index: number;
  readonly score: number;
  readonly interval: readonly [low: number, high: number] | null;
  /** The single measurements that the score is the mean of. */
  readonly measurements: readonly number[];
  /** Trainable share of all parameters in percent. */
  readonly cost: number;
}

export interface ScoreSpec {
  readonly title: string;
  /** What the scores are, with the unit, e.g. `top-1 %`. */
  readonly score: string;
  readonly higherIsBetter: boolean;
  readonly points: readonly ScorePoint[];
  /** What the best answer scores that is the same for every example. */
  readonly chance?: number;
}

/** Scores below each other: the mean, its interval, and every single measurement. */
export function intervalChart({ title, score, points, chance, higherIsBetter }: ScoreSpec): string {
  const names = points.map(({ label }) => label);
  const colour = (index: number) => ({ color: rowColour(index) });
  return renderSvg(
    {
      title: { text: title, left: 'center', textStyle: { fontSize: 14 } },
      grid: {
        left: 24,
        right: 20,
        top: 40,
        bottom: 45,
        outerBoundsMode: 'same',
        outerBoundsContain: 'axisLabel',
      },
      xAxis: {
        type: 'value',
        scale: true,
        name: `${score}, ${higherIsBetter ? 'higher' : 'lower'} is better`,
        nameLocation: 'middle',
        nameGap: 28,
        ...(chance !== undefined && { min: ({ min }: { min: number }) => tick(Math.min(min, chance)) }),
      },
      yAxis: { type: 'category', data: names, inverse: true, axisTick: { show: false } },
      series: [
        ...points.flatMap(({ interval, index }, row) =>
          interval === null
            ? []
            : [
                {
                  type: 'line',
                  symbol: 'none',
                  lineStyle: { width: 3, ...colour(index) },
                  data: interval.map((end) => [end, row]),
                },
              ],
        ),
        {
          type: 'scatter',
          symbolSize: 5,
          itemStyle: { color: '#555555', opacity: 0.7 },
          data: points.flatMap(({ measurements }, row) =>
            measurements.length > 1 ? measurements.map((value) => [value, row]) : [],
          ),
        },
        {
          type: 'scatter',
          symbolSize: 11,
          data: points.map(({ score: value, index }, row) => ({
            value: [value, row],
            itemStyle: colour(index),
          })),
          ...(chance !== undefined && {
            markLine: {
              symbol: 'none',
              silent: true,
              data: [{ xAxis: chance }],
              lineStyle: { type: 'dotted', color: '#777777' },
              label: { formatter: 'chance', position: 'start', fontSize: 10 },
            },
          }),
        },
      ],
    },
    560,
    heightOf(points),
  );
}

/** The same for both charts of a phase, which stand beside each other. */
function heightOf(points: readonly ScorePoint[]): number {
  return Math.max(320, 110 + 30 * points.length);
}

/** A round number at or below a value, for the start of an axis. */
function tick(value: number): number {
  if (value <= 0) return value;
  const step = 10 ** Math.floor(Math.log10(value));
  return Math.floor(value / step) * step === value ? value - step : Math.floor(value / step) * step;
}

/** Points that no other point beats in both cost and score. */
export function paretoFront<Point extends Pick<ScorePoint, 'cost' | 'score'>>(
  points: readonly Point[],
  higherIsBetter = true,
): Point[] {
  const sign = higherIsBetter ? 1 : -1;
  const beaten = (point: Point) =>
    points.some(({ cost, score }) => {
      const ahead = sign * (score - point.score);
      return cost <= point.cost && ahead >= 0 && (cost < point.cost || ahead > 0);
    });
  return points.filter((point) => !beaten(point)).sort((a, b) => a.cost - b.cost);
}

/** A score over the trainable share, the front joined by a line. */
export function paretoChart({ title, score, higherIsBetter, points }: ScoreSpec): string {
  const at = (point: ScorePoint): [number, number] => [point.cost, point.score];
  return renderSvg(
    {
      title: { text: title, left: 'center', textStyle: { fontSize: 14 } },
      grid: { left: 60, right: 110, top: 40, bottom: 50 },
      xAxis: { type: 'log', name: 'tuned parameters, %', nameLocation: 'middle', nameGap: 30 },
      yAxis: { type: 'value', name: score, scale: true, boundaryGap: ['8%', '8%'] },
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
          data: points.map((point) => ({
            value: at(point),
            name: point.label,
            itemStyle: { color: rowColour(point.index) },
          })),
          label: { show: true, position: 'right', formatter: '{b}', fontSize: 11 },
          labelLayout: { moveOverlap: 'shiftY' },
        },
      ],
    },
    560,
    heightOf(points),
  );
}

export interface Heatmap {
  readonly title: string;
  readonly subtitle: string;
  /** Null stays white. */
  readonly matrix: readonly (readonly (number | null)[])[];
  /** The value of the darkest colour. */
  readonly most: number;
}

/** Numbers between blocks as a square of colours. */
export function blockHeatmap({ title, subtitle, matrix, most }: Heatmap): string {
  const layers = matrix.map((_, i) => String(i));
  const cells = matrix.flatMap((row, i) =>
    row.flatMap((value, j) => (value === null ? [] : [[j, i, Number(value.toFixed(3))]])),
  );
  return renderSvg(
    {
      title: {
        text: title,
        subtext: subtitle,
        left: 'center',
        itemGap: 4,
        textStyle: { fontSize: 13 },
        subtextStyle: { fontSize: 11, color: '#555555' },
      },
      grid: { left: 40, right: 60, top: 50, bottom: 40 },
      xAxis: { type: 'category', data: layers, name: 'block', nameLocation: 'middle', nameGap: 24 },
      yAxis: { type: 'category', data: layers, inverse: true },
      visualMap: {
        min: 0,
        max: most,
        right: 0,
        top: 'middle',
        itemHeight: 120,
        precision: 2,
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
    315,
  );
}

function labelOf({ value }: { value: readonly number[] }): string {
  return value[2]!.toFixed(2).replace(/^0/, '');
}
