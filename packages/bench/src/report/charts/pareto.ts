import { renderSvg } from './render-svg.js';

export interface ParetoPoint {
  readonly label: string;
  /** Trainable share of all parameters in percent. */
  readonly cost: number;
  /** Accuracy in percent. */
  readonly score: number;
}

/** Points that no other point beats in both cost and score. */
export function paretoFront(points: readonly ParetoPoint[]): ParetoPoint[] {
  const beaten = (point: ParetoPoint) =>
    points.some(
      ({ cost, score }) =>
        cost <= point.cost && score >= point.score && (cost < point.cost || score > point.score),
    );
  return points.filter((point) => !beaten(point)).sort((a, b) => a.cost - b.cost);
}

/** Accuracy over trainable share, the front joined by a line. */
export function paretoChart(title: string, points: readonly ParetoPoint[]): string {
  const at = ({ cost, score }: ParetoPoint): [number, number] => [cost, score];
  return renderSvg(
    {
      title: { text: title, left: 'center', textStyle: { fontSize: 14 } },
      grid: { left: 60, right: 110, top: 40, bottom: 50 },
      xAxis: { type: 'log', name: 'tuned parameters, %', nameLocation: 'middle', nameGap: 30 },
      yAxis: { type: 'value', name: 'top-1, %', scale: true },
      series: [
        {
          type: 'line',
          data: paretoFront(points).map(at),
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
