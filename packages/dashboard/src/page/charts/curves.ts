import * as Plot from '@observablehq/plot';
import type { CurvesChart } from '../../charts.js';
import { colourOf, element, paletteSize } from '../elements.js';
import { type Drawing, plotSettings } from './figures.js';
import { shortNumber } from './pareto.js';

export function drawCurves(chart: CurvesChart, drawing: Drawing): readonly Node[] {
  const { x, y, curves, steps = false } = chart;
  const isLog = chart.xScale === 'log';
  const curve = steps ? 'step-after' : 'linear';
  const shown = curves.filter(({ label }) => drawing.shows(label));
  const rows = shown.flatMap(({ label, index, points }) =>
    points.map(([at, mean, least, most]) => ({ label, index, at, mean, least, most })),
  );
  const plot = Plot.plot({
    ...plotSettings(drawing),
    height: 300,
    marginLeft: 48,
    marginRight: 14,
    marginTop: 20,
    marginBottom: 42,
    x: {
      label: x,
      labelAnchor: 'center',
      labelArrow: 'none',
      ticks: Math.max(3, Math.min(8, drawing.width / 80)),
      ...(isLog && { type: 'log', grid: true, tickFormat: shortNumber }),
    },
    y: { label: y, labelArrow: 'none', grid: true, ticks: 5 },
    marks: [
      Plot.areaY(
        rows.filter(({ label }) =>
          curves.find((one) => one.label === label)!.points.some(([, , a, b]) => b > a),
        ),
        {
          x: 'at',
          y1: 'least',
          y2: 'most',
          z: 'label',
          curve,
          fill: ({ index }) => colourOf(index),
          fillOpacity: 0.15,
        },
      ),
      ...shown.map(({ index, points }) =>
        Plot.line(points, {
          x: ([at]) => at,
          y: ([, mean]) => mean,
          curve,
          stroke: colourOf(index),
          strokeWidth: 1.8,
          ...(index >= paletteSize && { strokeDasharray: '5 3' }),
        }),
      ),
      Plot.tip(
        rows,
        Plot.pointer({
          x: 'at',
          y: 'mean',
          title: ({ label, at, mean }) =>
            `${label}\n${y} ${Number(mean.toPrecision(4))} at ${isLog ? shortNumber(at) : Number(at.toFixed(0))}`,
          fill: 'var(--card)',
          stroke: 'var(--line)',
        }),
      ),
    ],
  });
  return shown.length > 1 ? [plot, legend(shown)] : [plot];
}

/** What the colours are. */
export function legend(names: readonly { readonly label: string; readonly index: number }[]): Node {
  return element(
    'ul',
    { class: 'legend' },
    ...names.map(({ label, index }) =>
      element(
        'li',
        {},
        element('span', {
          class: index >= paletteSize ? 'swatch dashed' : 'swatch',
          style: `--colour: ${colourOf(index)}`,
        }),
        label,
      ),
    ),
  );
}
