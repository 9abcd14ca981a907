import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import { paletteSize } from '../elements.js';
import { currentTheme } from '../theme.js';
import type { LoadedLine, Shown } from './line-data.js';
import { columnsOf, shiftsOf } from './line-data.js';

export interface DrawnLine {
  readonly loaded: LoadedLine;
  /** For its colour. */
  readonly index: number;
  readonly shown: Shown;
}

export interface SeriesPlotSettings {
  readonly width: number;
  readonly height: number;
  /** A plot of a card: no axes, nothing to hover. */
  readonly compact: boolean;
  /** Of the values. */
  readonly axis?: string;
  /** Called with the place in the plot's times that the reader points at; null for none. */
  readonly pointed?: (plot: uPlot, place: number | null) => void;
}

const columnsOfLine = 4;

/** Where a line's values stand among the plot's series. */
export const seriesOfLine = (line: number) => 1 + line * columnsOfLine;

/** Draws lines over time, with their levels, the bands of their noise and marks where they shift. */
export function drawSeries(
  target: HTMLElement,
  lines: readonly DrawnLine[],
  { width, height, compact, axis, pointed }: SeriesPlotSettings,
): uPlot {
  const colour = colourNamed;
  const tables = lines.map(({ loaded, shown }) => columnsOf(loaded, shown) as unknown as uPlot.AlignedData);
  const data = tables.length === 1 ? tables[0]! : uPlot.join(tables);
  const text = colour('muted');
  const axes: uPlot.Axis = {
    stroke: text,
    font: '12px system-ui, sans-serif',
    grid: { stroke: colour('grid'), width: 1 },
    ticks: { stroke: colour('grid'), width: 1 },
  };
  const many = lines.length > 1;
  return new uPlot(
    {
      width,
      height,
      ...(compact && { padding: [6, 4, 6, 4] as [number, number, number, number] }),
      legend: { show: false },
      cursor: compact
        ? { show: false }
        : {
            y: false,
            drag: { x: true, y: false },
            points: { size: 8 },
            // Levels and bands have no points of their own.
            dataIdx: (_, series, place) => ((series - 1) % columnsOfLine === 0 ? place : (null as never)),
          },
      select: { show: !compact, left: 0, top: 0, width: 0, height: 0 },
      scales: { x: { time: true } },
      axes: compact
        ? [{ show: false }, { show: false }]
        : [
            { ...axes, values: dateLabels },
            {
              ...axes,
              size: 62,
              ...(axis !== undefined && { label: axis, labelSize: 22, labelFont: axes.font!, labelGap: 2 }),
            },
          ],
      series: [
        {},
        ...lines.flatMap(({ index, loaded }): uPlot.Series[] => {
          const stroke = colour(`c${index % paletteSize}`);
          return [
            {
              label: loaded.line.id,
              stroke,
              width: compact ? 1 : 1.2,
              spanGaps: true,
              ...(index >= paletteSize && { dash: [5, 3] }),
              points: {
                show: loaded.times.length <= (compact ? 40 : 200),
                size: compact ? 4 : 5,
                fill: stroke,
              },
            },
            {
              stroke: many ? stroke : colour('text'),
              width: compact ? 1.5 : 2,
              spanGaps: true,
              points: { show: false },
              paths: uPlot.paths.stepped!({ align: 1 }),
            },
            {
              stroke: 'transparent',
              spanGaps: true,
              points: { show: false },
              paths: uPlot.paths.stepped!({ align: 1 }),
            },
            {
              stroke: 'transparent',
              spanGaps: true,
              points: { show: false },
              paths: uPlot.paths.stepped!({ align: 1 }),
            },
          ];
        }),
      ],
      bands: lines.map(({ index }, line) => ({
        series: [seriesOfLine(line) + 3, seriesOfLine(line) + 2] as [number, number],
        fill: `color-mix(in srgb, ${colour(`c${index % paletteSize}`)} 16%, transparent)`,
      })),
      hooks: {
        drawClear: [(plot) => markShifts(plot, lines, { better: colour('better'), worse: colour('worse') })],
        ...(pointed && { setCursor: [(plot: uPlot) => pointed(plot, plot.cursor.idx ?? null)] }),
      },
    },
    data,
    target,
  );
}

/** By theme and name. */
const knownColours = new Map<string, string>();

/** The page's colours as a canvas takes them: without `light-dark()` and variables. Asking for one costs a layout. */
function colourNamed(name: string): string {
  const key = `${currentTheme()} ${name}`;
  const known = knownColours.get(key);
  if (known !== undefined) return known;
  const probe = document.createElement('span');
  probe.style.color = `var(--${name})`;
  document.body.append(probe);
  const { color } = getComputedStyle(probe);
  probe.remove();
  knownColours.set(key, color);
  return color;
}

const day = 86_400;

/** `3 May`, with the year where it begins or changes; times of day where days are too far apart. */
function dateLabels(
  _plot: uPlot,
  seconds: readonly number[],
  _axis: number,
  _space: number,
  step: number,
): string[] {
  let year: number | undefined;
  return seconds.map((time) => {
    const date = new Date(time * 1000);
    const text = date.toLocaleDateString('en-GB', { day: 'numeric', month: 'short' });
    const isNewYear = date.getFullYear() !== year;
    year = date.getFullYear();
    if (step < day)
      return `${date.toLocaleTimeString('en-GB', { hour: '2-digit', minute: '2-digit' })}\n${text}`;
    return isNewYear ? `${text}\n${year}` : text;
  });
}

function markShifts(
  plot: uPlot,
  lines: readonly DrawnLine[],
  lineColours: Readonly<Record<'better' | 'worse', string>>,
): void {
  const { ctx, bbox } = plot;
  ctx.save();
  ctx.lineWidth = devicePixelRatio;
  ctx.setLineDash([4 * devicePixelRatio, 3 * devicePixelRatio]);
  for (const { loaded } of lines)
    for (const { at, verdict } of shiftsOf(loaded)) {
      const x = Math.round(plot.valToPos(loaded.times[at]!, 'x', true));
      if (x < bbox.left || x > bbox.left + bbox.width) continue;
      ctx.strokeStyle = lineColours[verdict];
      ctx.beginPath();
      ctx.moveTo(x, bbox.top);
      ctx.lineTo(x, bbox.top + bbox.height);
      ctx.stroke();
    }
  ctx.restore();
}
