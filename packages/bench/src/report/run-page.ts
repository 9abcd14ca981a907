import { mergeResultSchema } from '../analyses/merge.js';
import { ablationsOf } from '../method-comparison/ablations.js';
import type { RunMethodComparisons } from '../method-comparison/compare-methods.js';
import { noMethodComparisons } from '../method-comparison/compare-methods.js';
import type { CellRecord, DoneRecord, FailedRecord } from '../records/record-schema.js';
import { costColumns, nameColumns, phaseTables } from '../table/phase-table.js';
import { legend } from '../table/results-table.js';
import type { GroupedFinding, RunSummary } from '../table/run-summary.js';
import { summarizeRun } from '../table/run-summary.js';
import { absent, learningRateText, megabytes, plural, rate } from '../table/text-table.js';
import { ablationSection } from './ablation-section.js';
import { findingsTable, rowsTable } from './fields.js';
import { escapeHtml, folded, foldedJson, heading, markup, table } from './html.js';
import { methodComparisonSection } from './method-section.js';
import { page } from './page.js';
import type { PageContent } from './phase-section.js';
import { curvesOf, phaseSection } from './phase-section.js';
import { publishedSection } from './published-section.js';
import { searchSection } from './search-section.js';
import { similaritySection } from './similarity-section.js';

/** The page of a run as one file, with nothing loaded from elsewhere. */
export function runPage(
  title: string,
  records: readonly CellRecord[],
  methods: RunMethodComparisons = noMethodComparisons,
): string {
  return page({ title, main: runSections(title, records, { methods }) });
}

export interface RunSectionsSettings {
  readonly methods: RunMethodComparisons;
  /** Markup that stands between the title and the results. */
  readonly before?: string | undefined;
}

/** The main part of a run's page. */
export function runSections(
  title: string,
  records: readonly CellRecord[],
  { methods, before }: RunSectionsSettings,
): string {
  const summary = summarizeRun('', null, records);
  const done = records.filter((record): record is DoneRecord => record.status === 'done');
  const failed = records.filter((record): record is FailedRecord => record.status === 'failed');
  const first = records[0];
  return markup(
    `<h1>${escapeHtml(title)}</h1>`,
    first && `<p class="lead">${escapeHtml(describe(first, summary))}</p>`,
    before,
    noticesOf(summary),
    failed.length > 0 && failedTable(failed),
    done.length > 0 && results(summary, { rows: summary.rows, records: done }, methods),
  );
}

/** What a reader must know before any number: what the suite, the data and the weights say, and what audits warn of. */
function noticesOf({ description, notes, findings, rows }: RunSummary): string | undefined {
  const everywhere = findings.filter(
    ({ severity, labels }) =>
      severity !== 'info' && labels.length === new Set(rows.map(({ label }) => label)).size,
  );
  const lines = [
    ...(description === '' ? [] : [description]),
    ...notes,
    ...new Set(everywhere.map(({ message, where }) => `${message} (${where})`)),
  ];
  if (lines.length === 0) return undefined;
  return `<div class="notes"><ul>${lines.map((line) => `<li>${escapeHtml(line)}</li>`).join('')}</ul></div>`;
}

function describe({ config, startedAt }: CellRecord, { rows }: RunSummary): string {
  const { training, models, seeds } = config;
  const backends = new Set(rows.map(({ backend, device }) => `${backend}:${device}`));
  const parts = [
    `Backbone ${models.join(', ')}`,
    backends.size > 0 && `on ${[...backends].join(', ')}`,
    `${seeds.length === 1 ? 'seed' : 'seeds'} ${seeds.join(', ')}`,
    `${plural(training.epochs, 'epoch')} of batch ${training.batchSize} where a phase says nothing else`,
    `started ${startedAt}.`,
  ];
  return parts.filter(Boolean).join('; ');
}

function results(summary: RunSummary, content: PageContent, methods: RunMethodComparisons): string {
  const { phases, rows, published, findings } = summary;
  const { records } = content;
  const whole = phaseTables(phases, rows, 'report');
  return markup(
    ...phaseTables(phases, rows, 'table').map((phase, index) =>
      phaseSection(phase, { whole: whole[index]!, content }),
    ),
    publishedSection(published),
    ablationSection(ablationsOf(methods.comparisons, records)),
    methodComparisonSection(methods),
    heading('How to read the tables'),
    `<ul>${legend(rows)
      .map((line) => `<li>${escapeHtml(line)}</li>`)
      .join('')}</ul>`,
    heading('What it costs'),
    rowsTable('Parameters, speed and memory', [...nameColumns(rows), ...costColumns(rows)], rows, {
      id: 'costs',
    }),
    folded('Single cells', cellsTable(records)),
    searchSection(phases, rows),
    heading('Training'),
    '<p>Loss of the batches, smoothed: the mean over seeds and draws, in its shade from the least to the most.</p>',
    '<div class="charts">',
    ...phases.map(({ name }) => curvesOf(name, content)),
    '</div>',
    similaritySection(content),
    heading('Findings'),
    groupedFindings(findings),
    heading('Environment and configuration'),
    foldedJson('Environment', records[0]!.environment),
    foldedJson('Code', records[0]!.code),
    foldedJson('Configuration', records[0]!.config),
  );
}

function failedTable(failed: readonly FailedRecord[]): string {
  return table(
    'Failed cells',
    [
      { title: 'cell', cell: ({ cell }: FailedRecord) => escapeHtml(cell.id) },
      { title: 'error', cell: ({ error }: FailedRecord) => escapeHtml(`${error.code}: ${error.message}`) },
      { title: 'fix', cell: ({ error }: FailedRecord) => escapeHtml(error.fix ?? '') },
    ],
    failed,
  );
}

/** What each cell cost. */
function cellsTable(records: readonly DoneRecord[]): string {
  const training = ({ phases }: DoneRecord) => phases[0]!.draws[0]!.training!;
  const merged = records.some(({ analyses }) => analyses['merge'] !== undefined);
  const mergeError = ({ analyses }: DoneRecord) =>
    mergeResultSchema.safeParse(analyses['merge']).data?.error?.toExponential(1) ?? absent;
  return table(
    'Cells',
    [
      { title: 'cell', cell: ({ cell }: DoneRecord) => escapeHtml(cell.id) },
      { title: 'seed', numeric: true, cell: ({ cell }: DoneRecord) => String(cell.seed) },
      {
        title: 'learning rate',
        numeric: true,
        hint: 'of phases without a rate of their own',
        cell: ({ cell }: DoneRecord) => learningRateText(cell.learningRate!),
      },
      {
        title: 'images/s',
        numeric: true,
        hint: 'the steps of training in the first phase',
        cell: (record: DoneRecord) => rate(training(record).imagesPerSecond),
      },
      {
        title: 'features images/s',
        numeric: true,
        hint: 'the pass that computed the features kept for that training',
        cell: (record: DoneRecord) => {
          const { cache } = training(record);
          return cache ? rate(cache.pass.imagesPerSecond) : absent;
        },
      },
      {
        title: 'memory MB',
        numeric: true,
        hint: 'largest resident set of the process',
        cell: ({ peakMemoryBytes }: DoneRecord) => megabytes(peakMemoryBytes),
      },
      ...(merged
        ? [
            {
              title: 'merge error',
              numeric: true,
              hint: 'largest difference of predictions after merging',
              cell: mergeError,
            },
          ]
        : []),
    ],
    records,
  );
}

function groupedFindings(findings: readonly GroupedFinding[]): string {
  const methods = {
    title: 'methods',
    cell: ({ labels, cells }: GroupedFinding) =>
      escapeHtml(`${labels.join(', ')} (${plural(cells.length, 'cell')})`),
  };
  return findingsTable(findings, [methods], 'evidence of the first');
}
