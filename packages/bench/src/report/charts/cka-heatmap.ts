import { renderSvg } from './render-svg.js';

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
