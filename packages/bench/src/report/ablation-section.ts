import { formatMetric } from '@kora-bench/core/training';
import type { IntervalsChart } from '@kora-bench/dashboard';
import type { Ablation, AblationEffect, MainEffect } from '../method-comparison/ablations.js';
import { ablationRule, mainEffects, shownP } from '../method-comparison/ablations.js';
import { whereOf } from '../method-comparison/method-comparison-text.js';
import { absent, metricTitle, plural } from '../table/text-table.js';
import type { Column } from './html.js';
import { escapeHtml, figure, markup, slug, table } from './html.js';

/** The report's section on ablations and on methods that are compared with one; undefined for a run without. */
export function ablationSection(ablations: readonly Ablation[]): string | undefined {
  if (ablations.length === 0) return undefined;
  const comparisons = ablations.map(({ comparison }) => comparison);
  return markup(
    '<h2>Against one method</h2>',
    ...ablations.map((ablation) => oneAblation(ablation, whereOf(ablation.comparison, comparisons))),
  );
}

function oneAblation(ablation: Ablation, where: string): string {
  const { comparison, full } = ablation;
  const { phase, metric } = comparison;
  const effects = mainEffects(ablation);
  const name = [full.label, phase, where].filter((part) => part !== '').join(', ');
  const text = (value: number) => formatMetric(metric, value);
  return markup(
    `<h3>${escapeHtml(name)}</h3>`,
    `<p>${escapeHtml(ablationRule(ablation))} ${escapeHtml(full.label)} itself: ${text(full.value)}, ${size(full.trainableParameters)} trainable parameters.</p>`,
    figure({
      id: slug(`against ${name}`),
      title: `Difference from ${full.label}, ${metricTitle(metric)}`,
      subtitle: 'a ring: it may be chance',
      chart: differencesChart(ablation),
      numbers: everyChange(ablation),
    }),
    effects.length > 1 && mainEffectsTable(metric, effects),
  );
}

function mainEffectsTable(metric: Ablation['comparison']['metric'], effects: readonly MainEffect[]): string {
  const text = (value: number) => formatMetric(metric, value);
  const level = ({ label, value }: MainEffect['lowest']) =>
    `${text(value)} <small>${escapeHtml(label)}</small>`;
  return table(
    `Main effects: how far each factor moves ${metricTitle(metric)}, the full method among its levels`,
    [
      { title: 'factor', cell: ({ factor }) => escapeHtml(factor) },
      { title: 'range', numeric: true, cell: ({ lowest, highest }) => text(highest.value - lowest.value) },
      { title: 'lowest', cell: ({ lowest }) => level(lowest) },
      { title: 'highest', cell: ({ highest }) => level(highest) },
    ],
    effects,
  );
}

function everyChange({ comparison, full, effects }: Ablation): string {
  const { metric, examples, seeds } = comparison;
  const text = (value: number) => formatMetric(metric, value);
  return table(
    `Every change against ${full.label}: ${plural(examples, 'image')}, ${seeds.length === 1 ? 'seed' : 'seeds'} ${seeds.join(', ')}`,
    [
      { title: 'factor', cell: ({ factor }) => escapeHtml(factor) },
      { title: 'change', cell: ({ label }) => escapeHtml(label) },
      { title: metricTitle(metric), numeric: true, cell: ({ value }) => text(value) },
      {
        title: `difference ${metric.unit}`.trim(),
        numeric: true,
        cell: ({ difference, interval }) =>
          `${text(difference)} <small>[${interval.map(text).join(', ')}]</small>`,
      },
      { title: 'p', numeric: true, hint: 'after Holm', cell: ({ p }) => escapeHtml(shownP(p)) },
      { title: 'holds', cell: ({ holds }) => (holds ? 'yes' : 'no') },
      {
        title: 'trainable',
        numeric: true,
        cell: ({ trainableParameters }) => size(trainableParameters),
      },
    ] satisfies Column<AblationEffect>[],
    effects,
  );
}

/** Each change's difference from the full method, which is the line at 0; factors have a colour each. */
function differencesChart({ comparison: { metric }, full, effects }: Ablation): IntervalsChart {
  const factors = [...new Set(effects.map(({ factor }) => factor))];
  const { scale, digits } = metric.format;
  return {
    kind: 'intervals',
    axis: { title: `difference ${metric.unit}`.trim(), direction: metric.direction, digits },
    line: { value: 0, label: full.label },
    points: effects.map(({ factor, label, difference, interval: [low, high], holds }) => ({
      label: factors.length === 1 ? label : `${factor}: ${label}`,
      index: factors.indexOf(factor),
      score: difference * scale,
      interval: [low * scale, high * scale],
      measurements: [],
      hollow: !holds,
    })),
  };
}

function size(count: number | null): string {
  return count?.toLocaleString('en') ?? absent;
}
