import * as Plot from '@observablehq/plot';
import type { HeatmapChart } from '../../charts.js';
import { type Drawing, plotSettings } from './figures.js';

export function drawHeatmap({ matrix, names, axis, most }: HeatmapChart, drawing: Drawing): readonly Node[] {
  const cells = matrix.flatMap((row, i) =>
    row.flatMap((value, j) => (value === null ? [] : [{ i, j, value, share: Math.min(1, value / most) }])),
  );
  const size = Math.min(drawing.width, 340);
  const places = names.map((_, i) => i);
  const ticks = places.filter((i) => i % Math.ceil(names.length / 12) === 0);
  const tickFormat = (i: number) => names[i]!;
  return [
    Plot.plot({
      ...plotSettings({ ...drawing, width: size }),
      height: size,
      marginLeft: 34,
      marginRight: 6,
      marginTop: 6,
      marginBottom: 36,
      padding: 0.03,
      x: {
        domain: places,
        ticks,
        tickFormat,
        label: axis,
        labelAnchor: 'center',
        labelArrow: 'none',
        tickSize: 0,
      },
      y: { domain: places, ticks, tickFormat, label: null, tickSize: 0 },
      marks: [
        Plot.cell(cells, {
          x: 'j',
          y: 'i',
          fill: 'var(--heat)',
          fillOpacity: ({ share }) => 0.04 + 0.96 * share,
          rx: 2,
        }),
        names.length <= 12
          ? Plot.text(cells, {
              x: 'j',
              y: 'i',
              text: ({ value }) => value.toFixed(2).replace(/^0/, ''),
              fill: ({ share }) => (share > 0.55 ? 'var(--on-heat)' : 'var(--text)'),
              fontSize: 10,
            })
          : null,
        Plot.tip(
          cells,
          Plot.pointer({
            x: 'j',
            y: 'i',
            title: ({ i, j, value }) => `${axis} ${names[i]} and ${names[j]}: ${value.toFixed(3)}`,
            fill: 'var(--card)',
            stroke: 'var(--line)',
          }),
        ),
      ],
    }),
  ];
}
