import { formatMetric } from '@kora-bench/core/training';
import type {
  MethodComparison,
  PredictionComparison,
  RunMethodComparisons,
} from '../method-comparison/compare-methods.js';
import { testedText, whereOf } from '../method-comparison/method-comparison-text.js';
import { absent, metricTitle, percent, plural } from '../table/text-table.js';
import type { Column } from './html.js';
import { escapeHtml, heading, markup, table } from './html.js';

/** The report's section on differences between methods; empty for a run of one method. */
export function methodComparisonSection({ comparisons, problems }: RunMethodComparisons): string {
  if (comparisons.length === 0 && problems.length === 0) return '';
  return markup(
    heading('Differences between methods'),
    comparisons.length > 0 && `<p>${escapeHtml(testedText(comparisons))}</p>`,
    ...comparisons.map((one) => comparisonSection(one, whereOf(one, comparisons))),
    problems.length > 0 &&
      `<ul>${problems.map((problem) => `<li>Not compared: ${escapeHtml(problem)}</li>`).join('')}</ul>`,
  );
}

function comparisonSection(comparison: MethodComparison, where: string): string {
  const { phase, metric, seeds, examples, differences, predictions } = comparison;
  const name = [phase, where].filter((part) => part !== '').join(' ');
  const caption = `${name}: ${metricTitle(metric)}, ${plural(examples, 'image')}, ${seeds.length === 1 ? 'seed' : 'seeds'} ${seeds.join(', ')}`;
  const holding = differences.pairs.filter(({ holds }) => holds).length;
  return markup(
    `<h3>${escapeHtml(name)}</h3>`,
    table(
      caption,
      [
        { title: 'method', cell: ({ label }) => escapeHtml(label) },
        {
          title: metricTitle(metric),
          numeric: true,
          cell: ({ value }) => formatMetric(metric, value),
        },
        {
          title: 'group',
          hint: 'methods that share a letter cannot be told apart',
          cell: ({ letters }) => letters,
        },
      ] satisfies Column<(typeof differences.methods)[number]>[],
      differences.methods,
    ),
    `<details><summary>${holding} of ${differences.pairs.length} differences hold</summary>`,
    table('Every pair, the better one first', pairColumns(comparison), differences.pairs),
    '</details>',
    predictions !== null && predictionsSection(comparison, predictions),
  );
}

function pairColumns({
  metric,
}: MethodComparison): Column<MethodComparison['differences']['pairs'][number]>[] {
  const text = (value: number) => formatMetric(metric, value);
  return [
    { title: 'better', cell: ({ first }) => escapeHtml(first) },
    { title: 'worse', cell: ({ second }) => escapeHtml(second) },
    {
      title: `difference ${metric.unit}`.trim(),
      numeric: true,
      cell: ({ difference, interval: [low, high] }) =>
        `${text(difference)} <small>[${text(low)}, ${text(high)}]</small>`,
    },
    {
      title: 'p',
      numeric: true,
      hint: 'after Holm',
      cell: ({ adjustedP }) => (adjustedP < 0.0001 ? '&lt;0.0001' : adjustedP.toFixed(4)),
    },
    { title: 'holds', cell: ({ holds }) => (holds ? 'yes' : 'no') },
    { title: 'test', cell: ({ test }) => escapeHtml(test) },
  ];
}

function predictionsSection({ differences }: MethodComparison, predictions: PredictionComparison): string {
  const labels = differences.methods.map(({ label }) => label);
  const pairOf = (a: string, b: string) =>
    predictions.pairs.find(
      ({ first, second }) => (first === a && second === b) || (first === b && second === a),
    );
  const { average, best } = predictions;
  return markup(
    table(
      'Disagreement: share of the images with different predictions, %, and Cohen’s kappa',
      [
        { title: '', cell: (label: string) => escapeHtml(label) },
        ...labels.map((other) => ({
          title: other,
          numeric: true,
          cell: (label: string) => {
            const pair = pairOf(label, other);
            if (pair === undefined) return '';
            return `${percent(pair.disagreement)} <small>${pair.kappa?.toFixed(2) ?? absent}</small>`;
          },
        })),
      ],
      labels,
    ),
    table(
      'Images that one method alone has right',
      [
        { title: 'method', cell: ({ label }) => escapeHtml(label) },
        {
          title: 'images',
          numeric: true,
          hint: 'mean over the seeds',
          cell: ({ images }) => String(Number(images.toFixed(1))),
        },
        { title: 'some of them', cell: ({ examples }) => escapeHtml(examples.join(', ')) },
      ] satisfies Column<PredictionComparison['onlyRight'][number]>[],
      predictions.onlyRight,
    ),
    average !== null &&
      `<p>The class with the largest mean probability over all ${labels.length} methods is right for ${percent(average.accuracy)} % of the images; the best method alone, ${escapeHtml(best.label)}, for ${percent(best.accuracy)} %. Of each method the five most probable classes are known, which is enough to be certain for ${percent(average.certain)} % of the images.</p>`,
  );
}
