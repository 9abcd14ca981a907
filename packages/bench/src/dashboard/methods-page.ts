import type { CostAxis } from '@kora-bench/dashboard';
import type { Measure } from '../measures/measures.js';
import type { ScorePoint, ScoreSpec } from '../report/charts.js';
import { costAxes, intervalFigure, paretoFigure } from '../report/charts.js';
import { fieldMarkup } from '../report/fields.js';
import type { Column } from '../report/html.js';
import { escapeHtml, folded, heading, markup, slug, table } from '../report/html.js';
import { absent } from '../table/text-table.js';
import type { MethodGroup, Methods } from './methods.js';
import { newestMethods } from './methods.js';
import type { SiteContent } from './site-content.js';

const parameters = 'trainableParameters';
const memory = 'peakMemoryBytes';
const speedOf = (phase: string | null) => `${phase}/imagesPerSecond`;

const costs: readonly CostAxis[] = [
  { key: 'parameters', name: 'tuned parameters', title: 'trainable parameters', scale: 'log' },
  costAxes.time,
  costAxes.memory,
];

/** The comparison of methods: what each scores and costs, by its newest results. */
export function methodsPage(content: SiteContent, linkOf: (group: MethodGroup) => string): string {
  const methods = newestMethods(content);
  const { groups, measures, primary } = methods;
  const letters = lettersOf(content);
  if (groups.length === 0)
    return markup('<h1>Methods</h1>', '<p class="card">There are no finished results to compare yet.</p>');
  return markup(
    '<h1>Methods</h1>',
    '<p class="lead">The newest results of every configuration, over its seeds.</p>',
    '<div data-filter="methods" data-label="Filter" data-example="lora">',
    table(
      'What each scores and costs; means ± standard deviations over seeds, 95 % intervals in brackets',
      mainColumns(methods, { linkOf, letters }),
      groups,
      {
        id: 'methods',
        filtered: true,
      },
    ),
    letters.size > 0 &&
      '<p class="muted">Letters: methods that share one cannot be told apart on the same images and seeds; a is best.</p>',
    new Set(groups.map(({ machine }) => machine)).size > 1 &&
      '<p class="notes">Results are of several machines: their times and memory cannot be compared with each other. The filter takes the name of a machine.</p>',
    folded(
      'All measures',
      table(
        'All measures',
        [...nameColumns(methods, linkOf), ...measures.map((one) => estimateColumn(one))],
        groups,
        {
          id: 'all-measures',
          filtered: true,
        },
      ),
    ),
    heading('Score against cost', 'cost'),
    '<p class="facts">Each point is a method; the dashed line joins those that no other beats in both.</p>',
    '<div class="charts">',
    ...primary.map((measure) => paretoFigure(specOf(measure, methods), costs, titleOf(measure))),
    '</div>',
    heading('Task by task', 'tasks'),
    '<p class="facts">The mean of each method, its 95 % interval, and as small dots the single seeds.</p>',
    '<div class="charts small">',
    ...primary.map((measure) => intervalFigure(specOf(measure, methods), titleOf(measure))),
    '</div>',
    '</div>',
  );
}

const titleOf = ({ title, unit }: Measure) => (unit === '' ? title : `${title} ${unit}`);

function specOf(measure: Measure, { groups }: Methods): ScoreSpec {
  const shown = (value: number) => value * measure.format.scale;
  return {
    id: slug(measure.key),
    axis: { title: titleOf(measure), direction: measure.direction, digits: measure.format.digits },
    points: groups.flatMap((group, index): ScorePoint[] => {
      const score = group.estimates.get(measure.key);
      if (score === undefined) return [];
      const { value, interval } = score;
      return [
        {
          label: group.name,
          index,
          score: shown(value),
          interval: interval && [shown(interval[0]), shown(interval[1])],
          measurements: group.cells.flatMap(({ measures }) =>
            measures.filter(({ key }) => key === measure.key).map((one) => shown(one.value)),
          ),
          costs: costsOf(group, measure.phase),
        },
      ];
    }),
  };
}

function costsOf({ estimates }: MethodGroup, phase: string | null): Record<string, number> {
  const tuned = estimates.get(parameters)?.value;
  const speed = estimates.get(speedOf(phase))?.value;
  const bytes = estimates.get(memory)?.value;
  return {
    ...(tuned !== undefined && { parameters: tuned }),
    ...(speed !== undefined && speed > 0 && { time: 1000 / speed }),
    ...(bytes !== undefined && { memory: bytes / 1e6 }),
  };
}

interface ColumnSettings {
  readonly linkOf: (group: MethodGroup) => string;
  readonly letters: ReadonlyMap<string, string>;
}

function nameColumns({ groups }: Methods, linkOf: ColumnSettings['linkOf']): Column<MethodGroup>[] {
  const several = (of: (group: MethodGroup) => string) => new Set(groups.map(of)).size > 1;
  const parts = [
    ({ model }: MethodGroup) => model,
    ({ engine }: MethodGroup) => engine,
    ({ machine }: MethodGroup) => machine,
  ].filter(several);
  return [
    {
      title: 'method',
      cell: (group) =>
        [
          `<a href="${escapeHtml(linkOf(group))}">${escapeHtml(group.label)}</a>`,
          ...parts.map((of) => `<small class="muted">${escapeHtml(of(group))}</small>`),
        ].join('<br>'),
    },
  ];
}

function mainColumns(methods: Methods, { linkOf, letters }: ColumnSettings): Column<MethodGroup>[] {
  const { measures, primary } = methods;
  const find = (key: string) => measures.find((one) => one.key === key);
  const speed = measures.find(({ key }) => key === speedOf(primary[0]?.phase ?? null));
  const plain = (title: string, hint: string, text: (group: MethodGroup) => string): Column<MethodGroup> => ({
    title,
    hint,
    numeric: true,
    cell: (group) => escapeHtml(text(group)),
  });
  const value = (group: MethodGroup, key: string | undefined, text: (value: number) => string) => {
    const found = key === undefined ? undefined : group.estimates.get(key);
    return found === undefined ? absent : text(found.value);
  };
  return [
    ...nameColumns(methods, linkOf),
    { title: 'seeds', numeric: true, cell: ({ seeds }) => String(seeds.length) },
    ...primary.map((measure) => estimateColumn(measure, letters)),
    ...(find(parameters)
      ? [
          plain('tuned', 'trainable parameters, with the head of the first phase', (group) =>
            value(group, parameters, (of) => of.toLocaleString('en').replaceAll(',', ' ')),
          ),
        ]
      : []),
    ...(speed
      ? [
          plain(
            'ms/image',
            `a training step of ${speed.phase}, on this machine; where features are kept, of what comes after them`,
            (group) => value(group, speed.key, (of) => Number((1000 / of).toPrecision(3)).toString()),
          ),
        ]
      : []),
    ...(find(memory)
      ? [
          plain('memory MB', 'largest resident set of the process', (group) =>
            value(group, memory, (of) => (of / 1e6).toFixed(0)),
          ),
        ]
      : []),
  ];
}

function estimateColumn(measure: Measure, letters?: ReadonlyMap<string, string>): Column<MethodGroup> {
  const { format } = measure;
  return {
    title: titleOf(measure),
    numeric: true,
    hint: measure.metric?.description ?? `${measure.title}; ${measure.direction} is better`,
    cell: (group) => {
      const field = fieldMarkup({
        estimate: group.estimates.get(measure.key) ?? null,
        format: (value) => (value * format.scale).toFixed(format.digits),
      });
      const letter = letters?.get(letterKey(group, measure.phase));
      return letter === undefined ? field : field.replace(/(<br>|$)/, ` <sup>${letter}</sup>$1`);
    },
  };
}

const letterKey = (
  { label, model, engine }: Pick<MethodGroup, 'label' | 'model' | 'engine'>,
  phase: string | null,
) => JSON.stringify([label, model, engine, phase]);

/** Letters of groups, where all results are of one run: letters of several have nothing to do with each other. */
function lettersOf({ runs, series }: SiteContent): ReadonlyMap<string, string> {
  const [run, ...others] = runs;
  if (run === undefined || others.length > 0) return new Map();
  const known = new Set(run.records.map(({ startedAt }) => startedAt));
  if (series.some(({ entries }) => entries.length > 0 && !known.has(entries.at(-1)!.date))) return new Map();
  return new Map(
    run.methods.comparisons.flatMap(({ phase, model, engine, differences }) =>
      differences.methods.map(
        ({ label, letters }) => [letterKey({ label, model, engine }, phase), letters] as const,
      ),
    ),
  );
}
