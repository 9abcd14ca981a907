import type { Chart } from '../../charts.js';
import { linkTo } from '../address.js';
import { element, embedded } from '../elements.js';
import { shownBy } from '../filters.js';
import { drawCurves } from './curves.js';
import { drawHeatmap } from './heatmap.js';
import { drawIntervals } from './intervals.js';
import { drawPareto } from './pareto.js';

/** Where and what a chart is drawn. */
export interface Drawing {
  /** Pixels. */
  readonly width: number;
  /** What the chart is, for screen readers. */
  readonly name: string;
  /** The figure's id, for choices in the address. */
  readonly id: string;
  /** Whether something of this label is shown. */
  shows(label: string): boolean;
  redraw(): void;
}

function drawn(chart: Chart, drawing: Drawing): readonly Node[] {
  switch (chart.kind) {
    case 'intervals':
      return drawIntervals(chart, drawing);
    case 'pareto':
      return drawPareto(chart, drawing);
    case 'curves':
      return drawCurves(chart, drawing);
    case 'heatmap':
      return drawHeatmap(chart, drawing);
  }
}

const drawers = new WeakMap<Element, () => void>();

/** Draws the charts of a page once they come near the window, and again when their width changes. */
export function mountCharts(root: ParentNode): () => void {
  const near = new IntersectionObserver(
    (entries) => {
      for (const { target, isIntersecting } of entries) {
        if (!isIntersecting) continue;
        near.unobserve(target);
        drawers.get(target)!();
        resized.observe(target);
      }
    },
    { rootMargin: '400px' },
  );
  const widths = new WeakMap<Element, number>();
  const resized = new ResizeObserver((entries) => {
    for (const { target, contentRect } of entries) {
      const before = widths.get(target);
      widths.set(target, contentRect.width);
      if (before !== undefined && Math.abs(before - contentRect.width) > 1) drawers.get(target)!();
    }
  });
  for (const figure of root.querySelectorAll<HTMLElement>('figure.chart')) {
    const chart = embedded<Chart>(figure);
    const place = figure.querySelector<HTMLElement>('.plot')!;
    const name = figure.querySelector('figcaption')?.textContent ?? '';
    const draw = () =>
      place.replaceChildren(
        ...drawn(chart, {
          width: Math.max(240, Math.floor(place.clientWidth)),
          name,
          id: figure.id,
          shows: shownBy(figure),
          redraw: draw,
        }),
      );
    drawers.set(figure, draw);
    addLink(figure);
    near.observe(figure);
  }
  return () => {
    near.disconnect();
    resized.disconnect();
  };
}

/** Draws the charts of a part again, e.g. after a filter. */
export function redrawCharts(part: Element): void {
  for (const figure of part.querySelectorAll('figure.chart'))
    if (figure.querySelector('.plot')!.childElementCount > 0) drawers.get(figure)?.();
}

/** A link to the chart as it is shown. */
function addLink(figure: HTMLElement): void {
  if (figure.id === '') return;
  const link = element(
    'a',
    {
      class: 'permalink',
      href: `#${figure.id}`,
      'aria-label': 'Link to this chart',
      title: 'Link to this chart',
    },
    '#',
  );
  const update = () => {
    link.href = linkTo(figure.id, figure.id);
  };
  for (const when of ['pointerenter', 'focus']) link.addEventListener(when, update);
  figure.querySelector('figcaption')?.append(link);
}

/** What goes into every plot: colours from the page, and its name for screen readers. */
export function plotSettings({ width, name }: Drawing) {
  return {
    width,
    ariaLabel: name,
    style: { background: 'transparent', fontSize: '12px', fontFamily: 'inherit', overflow: 'visible' },
    color: { type: 'identity' },
  } as const;
}

/** Of a label's letter, and of the space beside the label; pixels. */
const [letter, space] = [6.6, 16];

/** Pixels that the longest of some labels takes, but at most a share of the width. */
export function labelWidth(labels: readonly string[], width: number): number {
  const longest = Math.max(0, ...labels.map((label) => label.length));
  return Math.min(space + letter * longest, 0.42 * width);
}

/** A label cut to a width. */
export function cut(label: string, pixels: number): string {
  // A label that decided the width fits it, whatever the last digit says.
  const most = Math.max(4, Math.floor((pixels - space) / letter + 1e-6));
  return label.length <= most ? label : `${label.slice(0, most - 1)}…`;
}
