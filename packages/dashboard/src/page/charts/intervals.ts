import * as Plot from '@observablehq/plot';
import type { IntervalsChart } from '../../charts.js';
import { colourOf } from '../elements.js';
import { cut, type Drawing, labelWidth, plotSettings } from './figures.js';

export function drawIntervals({ points, axis, line }: IntervalsChart, drawing: Drawing): readonly Node[] {
  const shown = points.filter(({ label }) => drawing.shows(label));
  const rows = shown.map((point, row) => ({ ...point, row }));
  const left = labelWidth(
    shown.map(({ label }) => label),
    drawing.width,
  );
  const text = (value: number) => value.toFixed(axis.digits);
  return [
    Plot.plot({
      ...plotSettings(drawing),
      height: 62 + 26 * Math.max(1, rows.length),
      marginLeft: left,
      marginRight: 18,
      marginTop: 10,
      marginBottom: 44,
      x: {
        label: `${axis.title}, ${axis.direction} is better`,
        labelAnchor: 'center',
        labelArrow: 'none',
        grid: true,
        nice: true,
        ticks: Math.max(2, Math.min(8, (drawing.width - left) / 60)),
      },
      y: {
        type: 'band',
        domain: rows.map(({ row }) => row),
        label: null,
        tickSize: 0,
        tickFormat: (row: number) => cut(rows[row]!.label, left),
      },
      marks: [
        ...(line === undefined
          ? []
          : [
              Plot.ruleX([line.value], { strokeDasharray: '2 3', stroke: 'var(--muted)' }),
              Plot.text([line], {
                x: 'value',
                frameAnchor: 'top',
                dy: -8,
                text: 'label',
                fill: 'var(--muted)',
                fontSize: 10,
              }),
            ]),
        Plot.ruleY(
          rows.filter(({ interval }) => interval !== null),
          {
            y: 'row',
            x1: ({ interval }) => interval![0],
            x2: ({ interval }) => interval![1],
            stroke: ({ index }) => colourOf(index),
            strokeWidth: 3,
            strokeOpacity: 0.55,
            strokeLinecap: 'round',
          },
        ),
        Plot.dot(
          rows.flatMap(({ measurements, row }) =>
            measurements.length > 1 ? measurements.map((value) => ({ value, row })) : [],
          ),
          { x: 'value', y: 'row', r: 2.2, fill: 'var(--text)', fillOpacity: 0.55 },
        ),
        Plot.dot(rows, {
          x: 'score',
          y: 'row',
          r: 5,
          fill: ({ index, hollow }) => (hollow ? 'var(--card)' : colourOf(index)),
          stroke: ({ index, hollow }) => (hollow ? colourOf(index) : 'var(--card)'),
          strokeWidth: ({ hollow }) => (hollow ? 2 : 1.2),
        }),
        Plot.tip(
          rows,
          Plot.pointerY({
            x: 'score',
            y: 'row',
            title: ({ label, score, interval }) =>
              `${label}\n${text(score)}${interval === null ? '' : ` [${interval.map(text).join(', ')}]`}`,
            fill: 'var(--card)',
            stroke: 'var(--line)',
          }),
        ),
      ],
    }),
  ];
}
