import { formatMetric } from '@kora-bench/core/training';
import { absent, metricTitle, percent, plainTable } from '../table/text-table.js';
import type { MethodComparison, RunMethodComparisons } from './compare-methods.js';

/** Which model and engine a comparison is of, where a run has several. */
export function whereOf({ model, engine }: MethodComparison, all: readonly MethodComparison[]): string {
  const several = (of: (one: MethodComparison) => string) => new Set(all.map(of)).size > 1;
  return [several((one) => one.model) && model, several((one) => one.engine) && `on ${engine}`]
    .filter(Boolean)
    .join(' ');
}

/** What the tests say and what they cannot. */
export function testedText(comparisons: readonly MethodComparison[]): string {
  const seeds = Math.max(...comparisons.map((one) => one.seeds.length));
  const pairs = comparisons.flatMap(({ differences }) => differences.pairs);
  const overSeeds = pairs.filter(({ test }) => test === 'paired over seeds and images').length;
  return [
    'Methods that share a letter cannot be told apart: each pair on the same test images and seeds, p < 0.01 after Holm over the pairs of a column; a is best.',
    seeds === 1
      ? 'One seed: what holds, holds for these trained models on images like these; whether a method is better, only further seeds can say.'
      : `${seeds} seeds, the same for all methods.${
          overSeeds > 0
            ? ` In ${overSeeds} of ${pairs.length} pairs the seeds differ by more than their images explain, and the seeds are what is tested.`
            : ''
        }`,
  ].join(' ');
}

/** The groups of methods of all phases in one table, and how their predictions differ, for a terminal. */
export function methodComparisonText({ comparisons, problems }: RunMethodComparisons): string {
  const said = problems.map((problem) => `Methods are not compared in ${problem}`);
  if (comparisons.length === 0) return said.join('\n');
  const wheres = [...new Set(comparisons.map((one) => whereOf(one, comparisons)))];
  const tables = wheres.map((where) => {
    const own = comparisons.filter((one) => whereOf(one, comparisons) === where);
    const labels = own[0]!.differences.methods.map(({ label }) => label);
    const table = plainTable(
      [
        { title: where === '' ? 'method' : `method ${where}` },
        ...own.map(({ phase, metric }) => ({ title: `${phase}\n${metricTitle(metric)}` })),
      ],
      labels.map((label) => [
        label,
        ...own.map(({ metric, differences }) => {
          const method = differences.methods.find((one) => one.label === label);
          return method === undefined ? absent : `${formatMetric(metric, method.value)} ${method.letters}`;
        }),
      ]),
    );
    return table;
  });
  return [
    'Which differences between methods hold:',
    ...tables,
    testedText(comparisons),
    ...comparisons.flatMap((one) => predictionsText(one, whereOf(one, comparisons))),
    ...said,
  ].join('\n');
}

function predictionsText({ phase, differences, predictions }: MethodComparison, where: string): string[] {
  if (predictions === null) return [];
  const pairs = predictions.pairs.toSorted((a, b) => b.disagreement - a.disagreement);
  const shown = ({ first, second, disagreement, kappa }: (typeof pairs)[number]) =>
    `${first} and ${second} (${percent(disagreement)} % of the images, kappa ${kappa?.toFixed(2) ?? absent})`;
  const [most, least] = [pairs[0]!, pairs.at(-1)!];
  const alone = predictions.onlyRight
    .filter(({ images }) => images > 0)
    .slice(0, 3)
    .map(({ label, images }) => `${label} ${Number(images.toFixed(1))}`);
  return [
    [
      `${[phase, where].filter((part) => part !== '').join(' ')}: predictions differ most between ${shown(most)}${pairs.length > 1 ? `, least between ${shown(least)}` : ''}.`,
      alone.length > 0 && `Images that one method alone has right: ${alone.join(', ')}.`,
      predictions.average !== null &&
        `The average of all ${differences.methods.length}: ${percent(predictions.average.accuracy)} %; the best alone: ${percent(predictions.best.accuracy)} %.`,
    ]
      .filter(Boolean)
      .join(' '),
  ];
}
