import { renderSvg } from './render-svg.js';

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
