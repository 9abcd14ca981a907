import * as Plot from '@observablehq/plot';
import type { HeatmapChart } from '../../charts.js';
import { type Drawing, plotSettings } from './figures.js';

/** Things of which every number and every label fit in. */
const few = 12;
/** Pixels that a label of more things needs. */
const line = 11;

export function drawHeatmap(chart: HeatmapChart, drawing: Drawing): readonly Node[] {
  const { matrix, names, axis, rowAxis, most, diverging = false } = chart;
  const cells = matrix.flatMap((row, i) =>
    row.flatMap((value, j) => {
      if (value === null) return [];
      const share = Math.min(1, (diverging ? Math.abs(value) : Math.max(0, value)) / most);
      return [{ i, j, value, share, fill: diverging && value < 0 ? 'var(--cold)' : 'var(--heat)' }];
    }),
  );
  const longest = Math.max(...names.map((name) => name.length));
  const isLarge = names.length > few;
  const upright = isLarge || longest > 2;
  const label = 14 + 6 * longest;
  const size = Math.min(drawing.width, isLarge ? 620 : 340);
  const places = names.map((_, i) => i);
  const step = Math.ceil((line * names.length) / (size - label - 28));
  const ticks = places.filter((i) => i % step === 0);
  const tickFormat = (i: number) => names[i]!;
  const settings = plotSettings({ ...drawing, width: size });
  return [
    Plot.plot({
      ...settings,
      style: { ...settings.style, ...(isLarge && { fontSize: '10px' }) },
      height: size,
      marginLeft: label + (rowAxis === undefined ? 8 : 24),
      marginRight: 6,
      marginTop: 6,
      marginBottom: (upright ? label : 14) + 22,
      padding: isLarge ? 0 : 0.03,
      x: {
        domain: places,
        round: !isLarge,
        ticks,
        tickFormat,
        tickRotate: upright ? -90 : 0,
        label: axis,
        labelAnchor: 'center',
        labelArrow: 'none',
        tickSize: 0,
      },
      y: {
        domain: places,
        round: !isLarge,
        ticks,
        tickFormat,
        label: rowAxis ?? null,
        labelAnchor: 'center',
        labelArrow: 'none',
        tickSize: 0,
      },
      marks: [
        Plot.cell(cells, {
          x: 'j',
          y: 'i',
          fill: 'fill',
          fillOpacity: ({ share }) => 0.04 + 0.96 * share,
          rx: isLarge ? 0 : 2,
        }),
        isLarge
          ? null
          : Plot.text(cells, {
              x: 'j',
              y: 'i',
              text: ({ value }) => value.toFixed(2).replace(/^(-?)0/, '$1'),
              fill: ({ share }) => (share > 0.55 ? 'var(--on-heat)' : 'var(--text)'),
              fontSize: 10,
            }),
        Plot.tip(
          cells,
          Plot.pointer({
            x: 'j',
            y: 'i',
            title: ({ i, j, value }) =>
              `${rowAxis ?? axis} ${names[i]} and ${rowAxis === undefined ? '' : `${axis} `}${names[j]}: ${value.toFixed(3)}`,
            fill: 'var(--card)',
            stroke: 'var(--line)',
          }),
        ),
      ],
    }),
  ];
}
