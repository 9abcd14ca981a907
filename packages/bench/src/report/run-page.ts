import type { CellRecord, DoneRecord, Finding } from '../records/record-schema.js';
import { ckaHeatmap } from './charts/cka-heatmap.js';
import type { ParetoPoint } from './charts/pareto.js';
import { paretoChart } from './charts/pareto.js';
import { trainingCurves } from './charts/training-curves.js';
import type { Column } from './html.js';
import { escapeHtml, markup, table } from './html.js';
import { style } from './style.js';

/** The whole page: one file, no script, nothing loaded from elsewhere. */
export function runPage(title: string, records: readonly CellRecord[]): string {
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
    done.length > 0 && results(done),
  )}\n</main></body></html>\n`;
}

function results(done: readonly DoneRecord[]): string {
  return markup(
    '<h2>Results</h2>',
    table('Scores on true labels, one row per cell', resultColumns, done),
    transferTable(done),
    depthTable(done),
    '<h2>Accuracy against tuned parameters</h2>',
    '<div class="charts">',
    paretoChart(
      'Source task',
      paretoPoints(done, ({ source }) => source.result.top1),
    ),
    done.some((record) => stratifiedTop1(record) !== undefined) &&
      paretoChart('Transfer, stratified', paretoPoints(done, stratifiedTop1)),
    '</div>',
    '<h2>Training</h2>',
    '<div class="charts">',
    trainingCurves(
      'Source task',
      done.map((record) => ({ label: nameOf(record), points: progressOf(record.source.training) })),
    ),
    done.some(({ depth }) => depth !== null) &&
      trainingCurves(
        'Depth',
        done.flatMap((record) =>
          record.depth === null ? [] : [{ label: nameOf(record), points: progressOf(record.depth.training) }],
        ),
      ),
    '</div>',
    '<h2>Similarity between blocks</h2>',
    `<p>Linear CKA of the class tokens after each block, debiased, over ${done[0]!.cka.examples} images of the source task’s validation split.</p>`,
    '<div class="charts">',
    ...done.map((record) => ckaHeatmap(nameOf(record), record.cka.debiased)),
    '</div>',
    '<h2>Findings</h2>',
    findingsTable(done),
    '<h2>Notes on the data and weights</h2>',
    `<ul>${[...new Set(done.flatMap(notesOf))].map((note) => `<li>${escapeHtml(note)}</li>`).join('')}</ul>`,
    '<h2>Environment and configuration</h2>',
    `<details><summary>Environment</summary><pre>${escapeHtml(JSON.stringify(done[0]!.environment, null, 2))}</pre></details>`,
    `<details><summary>Configuration</summary><pre>${escapeHtml(JSON.stringify(done[0]!.config, null, 2))}</pre></details>`,
  );
}

/** The only protocol whose numbers say something about transfer. */
function stratifiedTop1({ transfer }: DoneRecord): number | undefined {
  return transfer.find(({ protocol }) => protocol === 'stratified')?.trueLabels.top1;
}

function describe({ cell, config, startedAt }: CellRecord): string {
  const { training } = config;
  return `Backbone ${cell.model}, source ${config.source}, ${training.epochs} epochs of batch ${training.batchSize}; started ${startedAt}.`;
}

function nameOf({ cell, config }: CellRecord): string {
  const seed = config.seeds.length > 1 ? ` seed ${cell.seed}` : '';
  const backend = config.backends.length > 1 ? ` ${cell.backend}` : '';
  return `${cell.label}${backend}${seed}`;
}

const percent = (share: number | null | undefined, digits = 1) =>
  share === undefined || share === null ? 'n/a' : (100 * share).toFixed(digits);

const resultColumns: readonly Column<DoneRecord>[] = [
  { title: 'method', cell: (record) => escapeHtml(nameOf(record)) },
  {
    title: 'tuned %',
    numeric: true,
    hint: 'trainable / (backbone + trainable)',
    cell: ({ model }) => percent(model.share, 2),
  },
  {
    title: 'top-1 %',
    numeric: true,
    hint: 'with the 95 % Wilson interval over the images',
    cell: ({ source: { result } }) =>
      `${percent(result.top1)} <small>[${percent(result.top1Interval[0])}, ${percent(result.top1Interval[1])}]</small>`,
  },
  { title: 'top-5 %', numeric: true, cell: ({ source }) => percent(source.result.top5) },
  { title: 'macro F1', numeric: true, cell: ({ source }) => source.result.macroF1.toFixed(3) },
  { title: 'weighted F1', numeric: true, cell: ({ source }) => source.result.weightedF1.toFixed(3) },
  {
    title: 'ECE',
    numeric: true,
    hint: 'expected calibration error, 15 bins',
    cell: ({ source }) => source.result.expectedCalibrationError.toFixed(3),
  },
  {
    title: 'images/s',
    numeric: true,
    hint: 'training, on this machine',
    cell: ({ source }) => source.training.imagesPerSecond.toFixed(0),
  },
  {
    title: 'memory MB',
    numeric: true,
    hint: 'largest resident set of the process',
    cell: ({ peakMemoryBytes }) => (peakMemoryBytes / 1e6).toFixed(0),
  },
  {
    title: 'merge error',
    numeric: true,
    hint: 'largest difference of logits after merging',
    cell: ({ mergeError }) => mergeError?.toExponential(1) ?? 'n/a',
  },
];

function transferTable(done: readonly DoneRecord[]): string | undefined {
  const rows = done.flatMap((record) => record.transfer.map((transfer) => ({ record, transfer })));
  if (rows.length === 0) return undefined;
  return table(
    'Transfer: a new head on the frozen, source-trained model',
    [
      { title: 'method', cell: ({ record }) => escapeHtml(nameOf(record)) },
      { title: 'protocol', cell: ({ transfer }) => escapeHtml(transfer.protocol) },
      { title: 'training images', numeric: true, cell: ({ transfer }) => String(transfer.training.examples) },
      {
        title: 'top-1 %, true labels',
        numeric: true,
        cell: ({ transfer }) => percent(transfer.trueLabels.top1),
      },
      {
        title: 'macro F1, true labels',
        numeric: true,
        cell: ({ transfer }) => transfer.trueLabels.macroF1.toFixed(3),
      },
      {
        title: 'published kind of accuracy %',
        numeric: true,
        hint: 'on the labels that the protocol itself makes; it does not measure transfer',
        cell: ({ transfer: { protocolLabels } }) =>
          protocolLabels === null
            ? '–'
            : `<s>${percent(protocolLabels.top1)}</s> <small>${protocolLabels.distinctLabels} label${protocolLabels.distinctLabels === 1 ? '' : 's'}</small>`,
      },
    ],
    rows,
  );
}

function depthTable(done: readonly DoneRecord[]): string | undefined {
  const rows = done.flatMap((record) =>
    record.depth === null ? [] : [{ record, result: record.depth.result }],
  );
  if (rows.length === 0) return undefined;
  return table(
    'Depth',
    [
      { title: 'method', cell: ({ record }) => escapeHtml(nameOf(record)) },
      { title: 'RMSE m', numeric: true, cell: ({ result }) => result.rmse.toFixed(4) },
      { title: 'AbsRel', numeric: true, cell: ({ result }) => result.absRel.toFixed(4) },
      { title: 'δ < 1.25, %', numeric: true, cell: ({ result }) => percent(result.delta1) },
      { title: 'SI log', numeric: true, cell: ({ result }) => result.scaleInvariantLog.toFixed(4) },
    ],
    rows,
  );
}

function paretoPoints(
  done: readonly DoneRecord[],
  score: (record: DoneRecord) => number | undefined,
): ParetoPoint[] {
  return done.flatMap((record) => {
    const value = score(record);
    return value === undefined
      ? []
      : [{ label: nameOf(record), cost: 100 * record.model.share, score: 100 * value }];
  });
}

function progressOf({ stages }: DoneRecord['source']['training']): (readonly [number, number])[] {
  const last = stages.at(-1)!;
  return last.losses.map(({ step, loss }) => [(100 * (step + 1)) / last.steps, loss] as const);
}

const severities: readonly Finding['severity'][] = ['error', 'warning', 'info'];

function findingsTable(done: readonly DoneRecord[]): string {
  const grouped = new Map<string, { finding: Finding; cells: string[] }>();
  for (const record of done) {
    for (const finding of record.findings) {
      const key = `${finding.code}@${finding.where}@${finding.message}`;
      const group = grouped.get(key) ?? { finding, cells: [] };
      group.cells.push(nameOf(record));
      grouped.set(key, group);
    }
  }
  const rows = [...grouped.values()].sort(
    (a, b) => severities.indexOf(a.finding.severity) - severities.indexOf(b.finding.severity),
  );
  if (rows.length === 0) return '<p>The audits found nothing.</p>';
  return table(
    'What the audits found',
    [
      {
        title: 'severity',
        cell: ({ finding }) => `<span class="${finding.severity}">${finding.severity}</span>`,
      },
      { title: 'code', cell: ({ finding }) => `<code>${escapeHtml(finding.code)}</code>` },
      { title: 'where', cell: ({ finding }) => escapeHtml(finding.where) },
      { title: 'what', cell: ({ finding }) => escapeHtml(finding.message) },
      { title: 'cells', cell: ({ cells }) => escapeHtml(cells.join(', ')) },
      {
        title: 'evidence of the first',
        cell: ({ finding }) =>
          `<details><summary>show</summary><pre>${escapeHtml(JSON.stringify(finding.evidence, null, 2))}</pre></details>`,
      },
    ],
    rows,
  );
}

function notesOf({ model, source, transfer, depth }: DoneRecord): string[] {
  return [
    ...model.notes,
    ...source.data.notes,
    ...transfer.flatMap(({ data }) => data.notes),
    ...(depth?.data.notes ?? []),
  ];
}
