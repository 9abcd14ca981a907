import * as Plot from '@observablehq/plot';
import type { CostAxis, ParetoChart } from '../../charts.js';
import { choose, chosen } from '../address.js';
import { colourOf, element, paletteSize } from '../elements.js';
import { type Drawing, plotSettings } from './figures.js';

interface Point {
  readonly cost: number;
  readonly score: number;
}

/** Points that no other point beats in both cost and score, by rising cost. */
export function paretoFront<P extends Point>(points: readonly P[], direction: 'higher' | 'lower'): P[] {
  const sign = direction === 'higher' ? 1 : -1;
  const beaten = (point: P) =>
    points.some(({ cost, score }) => {
      const ahead = sign * (score - point.score);
      return cost <= point.cost && ahead >= 0 && (cost < point.cost || ahead > 0);
    });
  return points.filter((point) => !beaten(point)).sort((a, b) => a.cost - b.cost);
}

const symbols = ['circle', 'square', 'triangle', 'diamond', 'star', 'cross', 'wye'] as const;

export function drawPareto(chart: ParetoChart, drawing: Drawing): readonly Node[] {
  const { axis, costs } = chart;
  const key = `${drawing.id}.cost`;
  const cost = costs.find((one) => one.key === chosen(key)) ?? costs[0]!;
  const points = chart.points
    .filter(({ label, costs: own }) => drawing.shows(label) && own[cost.key] !== undefined)
    .map((point) => ({ ...point, cost: point.costs[cost.key]! }))
    .filter((point) => cost.scale === 'linear' || point.cost > 0);
  const text = (value: number) => value.toFixed(axis.digits);
  const height = Math.max(300, Math.min(420, 120 + 24 * points.length));
  const margins = { marginLeft: 52, marginRight: 24, marginTop: 22, marginBottom: 46 };
  const inner = { width: drawing.width - margins.marginLeft - margins.marginRight, height: height - 68 };
  const labels = placeLabels(points, { cost, direction: axis.direction, ...inner });
  const plot = Plot.plot({
    ...plotSettings(drawing),
    ...margins,
    height,
    x: {
      type: cost.scale,
      domain: labels.x,
      label: `${cost.title}, less is better`,
      labelAnchor: 'center',
      labelArrow: 'none',
      grid: true,
      ticks: Math.max(2, Math.min(6, inner.width / 80)),
      ...(cost.scale === 'log' ? { tickFormat: shortNumber } : {}),
    },
    y: { domain: labels.y, label: axis.title, labelArrow: 'none', grid: true, ticks: 6 },
    marks: [
      Plot.line(paretoFront(points, axis.direction), {
        x: 'cost',
        y: 'score',
        stroke: 'var(--muted)',
        strokeDasharray: '5 4',
      }),
      ...symbols.map((symbol, round) =>
        Plot.dot(
          points.filter(({ index }) => Math.floor(index / paletteSize) % symbols.length === round),
          {
            x: 'cost',
            y: 'score',
            r: 5.5,
            symbol,
            fill: ({ index }) => colourOf(index),
            stroke: 'var(--card)',
            strokeWidth: 1.2,
          },
        ),
      ),
      ...labels.texts.map(({ point, dx, dy, anchor }) =>
        Plot.text([point], {
          x: 'cost',
          y: 'score',
          text: 'label',
          dx,
          dy,
          textAnchor: anchor,
          fill: 'var(--text)',
          stroke: 'var(--card)',
          strokeWidth: 3,
          fontSize: 11,
        }),
      ),
      Plot.tip(
        points,
        Plot.pointer({
          x: 'cost',
          y: 'score',
          title: ({ label, score, cost: value, interval }) =>
            `${label}\n${axis.title} ${text(score)}${interval === null ? '' : ` [${interval.map(text).join(', ')}]`}\n${cost.title} ${shortNumber(value)}`,
          fill: 'var(--card)',
          stroke: 'var(--line)',
        }),
      ),
    ],
  });
  return costs.length > 1 ? [costButtons(costs, cost, drawing), plot] : [plot];
}

/** Which cost is drawn; the choice goes into the address. */
function costButtons(costs: readonly CostAxis[], current: CostAxis, { id, redraw }: Drawing): Node {
  const buttons = costs.map((cost) =>
    element(
      'button',
      {
        type: 'button',
        'aria-pressed': String(cost === current),
        onclick: () => {
          choose({ [`${id}.cost`]: cost.key });
          redraw();
          document.querySelector<HTMLElement>(`#${CSS.escape(id)} [aria-pressed=true]`)?.focus();
        },
      },
      cost.name,
    ),
  );
  return element('div', { class: 'choices', role: 'group', 'aria-label': 'Against' }, ...buttons);
}

/** A number with three digits, and the usual letters for thousands. */
export function shortNumber(value: number): string {
  for (const [size, letter] of [
    [1e12, 'T'],
    [1e9, 'G'],
    [1e6, 'M'],
    [1e3, 'k'],
  ] as const)
    if (Math.abs(value) >= size) return `${Number((value / size).toPrecision(3))}${letter}`;
  return String(Number(value.toPrecision(3)));
}

interface Area {
  readonly cost: CostAxis;
  readonly direction: 'higher' | 'lower';
  readonly width: number;
  readonly height: number;
}

const letterWidth = 6.2;
const lineHeight = 13;

/** Domains with room at their ends, and labels beside their points that do not lie on each other. */
function placeLabels<P extends Point & { readonly label: string }>(
  points: readonly P[],
  { cost, width, height }: Area,
) {
  const isLog = cost.scale === 'log';
  const on = (value: number) => (isLog ? Math.log(value) : value);
  const off = (value: number) => (isLog ? Math.exp(value) : value);
  const range = (values: readonly number[], room: number): readonly [number, number] => {
    if (values.length === 0) return [0, 1];
    const [low, high] = [Math.min(...values), Math.max(...values)];
    const size = high - low || Math.abs(high) || 1;
    return [low - room * size, high + room * size];
  };
  const xs = range(
    points.map((point) => on(point.cost)),
    0.08,
  );
  const ys = range(
    points.map(({ score }) => score),
    0.1,
  );
  const taken: { left: number; right: number; top: number }[] = points.map((point) => {
    const { x, y } = at(point);
    return { left: x - 6, right: x + 6, top: y - lineHeight / 2 };
  });
  function at(point: P) {
    return {
      x: ((on(point.cost) - xs[0]) / (xs[1] - xs[0])) * width,
      y: (1 - (point.score - ys[0]) / (ys[1] - ys[0])) * height,
    };
  }
  const free = (box: (typeof taken)[number]) =>
    box.left >= -40 &&
    box.right <= width + 20 &&
    taken.every(
      (other) =>
        box.right < other.left || box.left > other.right || Math.abs(box.top - other.top) >= lineHeight - 1,
    );
  const texts = points
    .toSorted((a, b) => b.score - a.score)
    .flatMap((point) => {
      const { x, y } = at(point);
      const size = letterWidth * point.label.length;
      const candidates = [0, -1, 1, -2, 2, -3, 3].flatMap((step) => [
        { anchor: 'start' as const, dx: 9, dy: step * lineHeight, left: x + 9, right: x + 9 + size },
        { anchor: 'end' as const, dx: -9, dy: step * lineHeight, left: x - 9 - size, right: x - 9 },
      ]);
      const place = candidates.find((one) => free({ ...one, top: y + one.dy - lineHeight / 2 }));
      if (place === undefined) return [];
      taken.push({ left: place.left, right: place.right, top: y + place.dy - lineHeight / 2 });
      return [{ point, dx: place.dx, dy: place.dy, anchor: place.anchor }];
    });
  return { x: [off(xs[0]), off(xs[1])] as const, y: ys, texts };
}
