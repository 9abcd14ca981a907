import { basename } from 'node:path';
import { formatMetric, primaryMetric } from '@kora-bench/core/training';
import type { CkaResult } from '../analyses/cka.js';
import { ckaResultSchema } from '../analyses/cka.js';
import { mergeResultSchema } from '../analyses/merge.js';
import type { RunMethodComparisons } from '../method-comparison/compare-methods.js';
import { compareMethods } from '../method-comparison/compare-methods.js';
import { readRecords } from '../records/record-files.js';
import type {
  CellRecord,
  DoneRecord,
  EvaluationRecord,
  PhaseRecord,
  RecordedMetric,
} from '../records/record-schema.js';
import { reportPath, writeOutput } from '../records/run-files.js';
import { readPlan } from '../records/run-folder.js';
import { groupFindings } from '../table/run-summary.js';
import { estimateColumn, scoreColumns } from '../table/summary-row.js';
import { absent, metricTitle, percent, plural, rate } from '../table/text-table.js';
import { ckaHeatmap, paretoChart, trainingCurves } from './charts.js';
import type { Column } from './html.js';
import { escapeHtml, markup, style, table } from './html.js';
import { methodComparisonSection } from './method-section.js';

/**
 * The whole page: one file, no script, nothing loaded from elsewhere.
 * @param methods how the methods differ, as {@link compareMethods} gives it
 */
export function runPage(
  title: string,
  records: readonly CellRecord[],
  methods: RunMethodComparisons = { comparisons: [], problems: [] },
): string {
  const done = records.filter((record): record is DoneRecord => record.status === 'done');
  const failed = records.filter((record) => record.status === 'failed');
  const first = records[0];
  return `${markup(
    '<!doctype html><html lang="en"><head><meta charset="utf-8">',
    '<meta name="viewport" content="width=device-width, initial-scale=1">',
    `<title>${escapeHtml(title)}</title><style>${style}</style></head><body><main>`,
    `<h1>${escapeHtml(title)}</h1>`,
    first && `<p class="lead">${escapeHtml(describe(first))}</p>`,
    failed.length > 0 &&
      table(
        'Failed cells',
        [
          { title: 'cell', cell: ({ cell }) => escapeHtml(cell.id) },
          {
            title: 'error',
            cell: (record) =>
              record.status === 'failed' ? escapeHtml(`${record.error.code}: ${record.error.message}`) : '',
          },
          {
            title: 'fix',
            cell: (record) => escapeHtml(record.status === 'failed' ? (record.error.fix ?? '') : ''),
          },
        ],
        failed,
      ),
    done.length > 0 && results(done, methods),
  )}\n</main></body></html>\n`;
}

/**
 * Writes `report.html` into a run folder from its records.
 * @returns its path
 * @throws MissingDataError | FormatError | InputError
 */
export async function writeReport(runDir: string): Promise<string> {
  const plan = await readPlan(runDir);
  const records = await readRecords(
    runDir,
    plan.cells.map(({ id }) => id),
  );
  const path = reportPath(runDir);
  await writeOutput(
    path,
    runPage(`KoRA Bench: ${basename(runDir)}`, records, await compareMethods(runDir, records)),
  );
  return path;
}

function results(done: readonly DoneRecord[], methods: RunMethodComparisons): string {
  const phases = phasesOf(done);
  const scored = phases.filter(({ draws }) => draws[0]!.evaluations.length > 0);
  return markup(
    '<h2>Results</h2>',
    table('Cells', cellColumns(done), done),
    ...scored.map((phase) => phaseTable(phase, done)),
    methodComparisonSection(methods),
    '<h2>Scores against tuned parameters</h2>',
    '<div class="charts">',
    ...scored
      .filter((phase) => phase.draws[0]!.evaluations[0]!.caveat === null)
      .map((phase) => phasePareto(phase, done)),
    '</div>',
    '<h2>Training</h2>',
    '<div class="charts">',
    ...phases.map(({ name }) =>
      trainingCurves(
        name,
        done.flatMap((record) =>
          record.phases
            .filter((phase) => phase.name === name)
            .map((phase) => ({ label: nameOf(record), points: progressOf(phase) })),
        ),
      ),
    ),
    '</div>',
    similarity(done),
    '<h2>Findings</h2>',
    findingsTable(done),
    '<h2>Notes on the data and weights</h2>',
    `<ul>${[...new Set(done.flatMap(notesOf))].map((note) => `<li>${escapeHtml(note)}</li>`).join('')}</ul>`,
    '<h2>Environment and configuration</h2>',
    details('Environment', done[0]!.environment),
    details('Code', done[0]!.code),
    details('Configuration', done[0]!.config),
  );
}

function details(summary: string, value: unknown): string {
  return `<details><summary>${summary}</summary><pre>${escapeHtml(JSON.stringify(value, null, 2))}</pre></details>`;
}

/** Each phase of the run once, as the first record that has it tells it. */
function phasesOf(done: readonly DoneRecord[]): PhaseRecord[] {
  const phases = new Map<string, PhaseRecord>();
  for (const record of done)
    for (const phase of record.phases) if (!phases.has(phase.name)) phases.set(phase.name, phase);
  return [...phases.values()];
}

function describe({ config, startedAt }: CellRecord): string {
  const { training, models, phases } = config;
  const names = phases.map(({ name, data }) => `${name} on ${data}`).join(', ');
  return `Backbone ${models.join(', ')}; ${names}; ${plural(training.epochs, 'epoch')} of batch ${training.batchSize} where a phase says nothing else; started ${startedAt}.`;
}

function nameOf({ cell, config }: CellRecord): string {
  const seed = config.seeds.length > 1 ? ` seed ${cell.seed}` : '';
  const backend = config.backends.length > 1 ? ` ${cell.backend}` : '';
  const model = config.models.length > 1 ? ` ${cell.model}` : '';
  return `${cell.label}${model}${backend}${seed}`;
}

const firstTraining = ({ phases }: DoneRecord) => phases[0]!.draws[0]!.training;

function cellColumns(done: readonly DoneRecord[]): Column<DoneRecord>[] {
  const merged = done.some(({ analyses }) => analyses['merge'] !== undefined);
  const keeps = done.some((record) => firstTraining(record).cache !== null);
  return [
    { title: 'method', cell: (record) => escapeHtml(nameOf(record)) },
    {
      title: 'tuned %',
      numeric: true,
      hint: 'trainable / (backbone + trainable)',
      cell: ({ model }) => percent(model.share, 2),
    },
    {
      title: 'images/s',
      numeric: true,
      hint: 'the steps of training in the first phase, on this machine; without the pass that computed kept features',
      cell: (record) => rate(firstTraining(record).imagesPerSecond),
    },
    ...(keeps
      ? [
          {
            title: 'features images/s',
            numeric: true,
            hint: 'the pass that computed the features kept for that training, now or for an earlier cell; n/a where the steps run the whole model',
            cell: (record: DoneRecord) => {
              const { cache } = firstTraining(record);
              return cache ? rate(cache.pass.imagesPerSecond) : absent;
            },
          },
        ]
      : []),
    {
      title: 'memory MB',
      numeric: true,
      hint: 'largest resident set of the process',
      cell: ({ peakMemoryBytes }) => (peakMemoryBytes / 1e6).toFixed(0),
    },
    ...(merged
      ? [
          {
            title: 'merge error',
            numeric: true,
            hint: 'largest difference of predictions after merging',
            cell: ({ analyses }: DoneRecord) =>
              mergeResultSchema.safeParse(analyses['merge']).data?.error?.toExponential(1) ?? 'n/a',
          },
        ]
      : []),
  ];
}

/** A phase's metrics, one row per cell and evaluation. */
function phaseTable(phase: PhaseRecord, done: readonly DoneRecord[]): string {
  const rows = done.flatMap((record) =>
    record.phases
      .filter(({ name }) => name === phase.name)
      .flatMap((own) => own.draws[0]!.evaluations.map((evaluation) => ({ record, own, evaluation }))),
  );
  type Row = (typeof rows)[number];
  const several = phase.draws[0]!.evaluations.length > 1;
  return table(
    captionOf(phase),
    [
      { title: 'method', cell: ({ record }: Row) => escapeHtml(nameOf(record)) },
      ...(several ? [{ title: 'scored on', cell: ({ evaluation }: Row) => evaluationName(evaluation) }] : []),
      {
        title: 'training images',
        numeric: true,
        cell: ({ own }: Row) => String(own.draws[0]!.train.examples),
      },
      ...phase.metrics.map((metric) => ({
        title: metricTitle(metric),
        numeric: true,
        hint: metric.description,
        cell: ({ record, evaluation }: Row) => scoreCell(record, phase.name, evaluation, metric),
      })),
    ],
    rows,
  );
}

function captionOf({ name, task, protocol, data, trains, draws }: PhaseRecord): string {
  const parts = [
    `${name}: ${task.name} on ${data.dataset}`,
    `protocol ${protocol.name}`,
    trains === 'head' && 'a new head on the frozen model',
    draws.length > 1 && `means over ${draws.length} draws`,
  ];
  return parts.filter(Boolean).join(', ');
}

function evaluationName({ name, caveat, details: { distinctLabels } }: EvaluationRecord): string {
  if (caveat === null) return escapeHtml(name);
  const labels = typeof distinctLabels === 'number' ? `, ${distinctLabels} in all` : '';
  return `<span title="${escapeHtml(caveat)}">${escapeHtml(name)}${labels}: not what it seems</span>`;
}

function scoreCell(
  record: DoneRecord,
  phase: string,
  { name, caveat }: EvaluationRecord,
  metric: RecordedMetric,
): string {
  const column = scoreColumns([record]).find(
    (one) => one.phase === phase && one.evaluation === name && one.metric.key === metric.key,
  );
  const estimate = column && estimateColumn([record], column);
  if (!estimate) return 'n/a';
  const text = (value: number) => formatMetric(metric, value);
  const value = caveat === null ? text(estimate.value) : `<s>${text(estimate.value)}</s>`;
  if (estimate.interval === null) return value;
  const [low, high] = estimate.interval;
  return `${value} <small>[${text(low)}, ${text(high)}]</small>`;
}

function phasePareto(phase: PhaseRecord, done: readonly DoneRecord[]): string {
  const metric = primaryMetric(phase.metrics);
  const points = done.flatMap((record) => {
    const column = scoreColumns([record]).find(
      (one) => one.phase === phase.name && one.metric.key === metric.key && one.caveat === null,
    );
    const estimate = column && estimateColumn([record], column);
    if (!estimate) return [];
    return [
      { label: nameOf(record), cost: 100 * record.model.share, score: estimate.value * metric.format.scale },
    ];
  });
  return paretoChart({
    title: phase.name,
    score: metricTitle(metric),
    higherIsBetter: metric.direction === 'higher',
    points,
  });
}

function progressOf({ draws }: PhaseRecord): (readonly [number, number])[] {
  const last = draws[0]!.training.stages.at(-1)!;
  return last.losses.map(({ step, loss }) => [(100 * (step + 1)) / last.steps, loss] as const);
}

function similarity(done: readonly DoneRecord[]): string | undefined {
  const found = done.flatMap((record): { record: DoneRecord; cka: CkaResult }[] => {
    const { data } = ckaResultSchema.safeParse(record.analyses['cka']);
    return data === undefined ? [] : [{ record, cka: data }];
  });
  const [first] = found;
  if (first === undefined) return undefined;
  return markup(
    '<h2>Similarity between blocks</h2>',
    `<p>Linear CKA of the class tokens after each block, debiased, over ${first.cka.examples} test images of the phase ${escapeHtml(first.cka.phase)}.</p>`,
    '<div class="charts">',
    ...found.map(({ record, cka }) => ckaHeatmap(nameOf(record), cka.debiased)),
    '</div>',
  );
}

function findingsTable(done: readonly DoneRecord[]): string {
  const names = new Map(done.map((record) => [record.cell.id, nameOf(record)]));
  const rows = groupFindings(done);
  if (rows.length === 0) return '<p>The audits found nothing.</p>';
  return table(
    'What the audits found',
    [
      { title: 'severity', cell: ({ severity }) => `<span class="${severity}">${severity}</span>` },
      { title: 'code', cell: ({ code }) => `<code>${escapeHtml(code)}</code>` },
      { title: 'where', cell: ({ where }) => escapeHtml(where) },
      { title: 'what', cell: ({ message }) => escapeHtml(message) },
      { title: 'cells', cell: ({ cells }) => escapeHtml(cells.map((id) => names.get(id) ?? id).join(', ')) },
      { title: 'evidence of the first', cell: ({ evidence }) => details('show', evidence) },
    ],
    rows,
  );
}

function notesOf({ model, phases }: DoneRecord): string[] {
  return [...model.notes, ...phases.flatMap(({ data }) => data.notes)];
}
