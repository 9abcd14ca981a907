import { formatMetric } from '@kora-bench/core/training';
import type { Ablation } from '../method-comparison/ablations.js';
import { metricTitle } from '../table/text-table.js';
import { escapeHtml } from './html.js';

/** Pixels. */
const layout = { width: 760, labels: 300, right: 24, row: 22, gap: 12, top: 44, bottom: 44 } as const;

/**
 * Main effects as an SVG element: each change's difference from the full method with its interval, factor by factor,
 * the full method as the line at 0. A filled point is a difference that holds.
 */
export function mainEffectsPlot({ comparison: { metric }, full, effects }: Ablation): string {
  const factors = [...new Set(effects.map(({ factor }) => factor))];
  const ends = effects.flatMap(({ interval, difference }) => [...interval, difference]);
  const [low, high] = [Math.min(0, ...ends), Math.max(0, ...ends)];
  const span = high - low || 1;
  const left = layout.labels;
  const x = (value: number) =>
    Math.round(left + ((value - low) / span) * (layout.width - left - layout.right));
  let y = layout.top;
  const rows = factors.flatMap((factor) => {
    const own = effects.filter((effect) => effect.factor === factor);
    const drawn = own.map(({ label, difference, interval, holds }, i) => {
      const at = y + (i + 0.5) * layout.row;
      const name = `<text x="${left - 10}" y="${at + 4}" text-anchor="end">${escapeHtml(label)}</text>`;
      const whisker = `<line x1="${x(interval[0])}" x2="${x(interval[1])}" y1="${at}" y2="${at}" stroke="#0072B2" stroke-width="2"/>`;
      const point = `<circle cx="${x(difference)}" cy="${at}" r="5" stroke="#0072B2" stroke-width="2" fill="${holds ? '#0072B2' : '#ffffff'}"/>`;
      return `${name}${whisker}${point}`;
    });
    const heading = `<text x="8" y="${y + 0.5 * layout.row + 4}" font-weight="600">${escapeHtml(factor)}</text>`;
    y += own.length * layout.row + layout.gap;
    const rule = `<line x1="8" x2="${layout.width - 8}" y1="${y - layout.gap / 2}" y2="${y - layout.gap / 2}" stroke="#e5e5e5"/>`;
    return [heading, ...drawn, rule];
  });
  const bottom = y;
  const tick = (value: number) =>
    `<text x="${x(value)}" y="${bottom + 14}" text-anchor="middle" font-size="11">${formatMetric(metric, value)}</text>`;
  // Ends of the scale that do not run into the 0.
  const ticks = [low, high].filter((value) => Math.abs(x(value) - x(0)) > 40);
  const title = `Difference from ${full.label}, ${metricTitle(metric)}`;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label="${escapeHtml(title)}" width="${layout.width}" height="${bottom + layout.bottom}" viewBox="0 0 ${layout.width} ${bottom + layout.bottom}" font-family="system-ui, sans-serif" font-size="12" fill="#333333">`,
    `<text x="${layout.width / 2}" y="22" text-anchor="middle" font-size="14" font-weight="600">${escapeHtml(title)}</text>`,
    `<line x1="${x(0)}" x2="${x(0)}" y1="${layout.top - 8}" y2="${bottom}" stroke="#777777" stroke-dasharray="4 3"/>`,
    ...rows,
    ...[0, ...ticks].map(tick),
    `<text x="${(left + layout.width - layout.right) / 2}" y="${bottom + 34}" text-anchor="middle">${metric.direction === 'higher' ? 'right of the line is better' : 'left of the line is better'}</text>`,
    '</svg>',
  ].join('');
}
