import { formatMetric } from '@kora-bench/core/training';
import type { RecordedMetric } from '../records/phase-record-schema.js';
import type { PhaseFacts } from './phase-facts.js';
import type { Estimate, ScoreColumn, SummaryRow } from './summary-row.js';
import { absent, learningRateText, megabytes, metricTitle, percent, rate } from './text-table.js';

/*
 * The tables of a run as data: what their columns are and what stands in each field. The terminal, the page and the
 * formats for papers render the same tables.
 */

/** What stands in a field: plain text, or a measured value that each format shows in its way. */
export type Content =
  | string
  | {
      readonly estimate: Estimate | null;
      format(value: number): string;
      /** A number that does not measure what it seems to. */
      readonly struck?: boolean;
    };

export interface Column<Row = SummaryRow> {
  /** One word or a few on each line. */
  readonly title: readonly string[];
  readonly numeric: boolean;
  /** What the column means. */
  readonly hint?: string;
  content(row: Row): Content;
}

export interface PhaseTable {
  readonly facts: PhaseFacts;
  readonly names: readonly Column[];
  readonly scores: readonly Column[];
  /** Those that have a result in the phase. */
  readonly rows: readonly SummaryRow[];
}

/** What tells the rows of a table apart: the method, and model and backend where there are several. */
export function nameColumns(rows: readonly SummaryRow[]): Column[] {
  const where = ({ backend, device }: SummaryRow) => `${backend}:${device}`;
  const several = (of: (row: SummaryRow) => string) => new Set(rows.map(of)).size > 1;
  return [
    { title: ['method'], numeric: false, content: ({ label }) => label },
    ...(several(({ model }) => model) ? [textColumn('model', ({ model }) => model)] : []),
    ...(several(where) ? [textColumn('backend', where)] : []),
  ];
}

/** A name in a table of several parts. */
export function rowName(row: SummaryRow, rows: readonly SummaryRow[]): string {
  const [label, ...where] = nameColumns(rows).map(({ content }) => content(row) as string);
  const name = where.length === 0 ? label! : `${label} on ${where.join(', ')}`;
  const twin = rows.some((other) => other !== row && sameNames(other, row));
  return twin ? `${name} at ${ratesOf(row)}` : name;
}

function sameNames(a: SummaryRow, b: SummaryRow): boolean {
  return a.label === b.label && a.model === b.model && a.backend === b.backend && a.device === b.device;
}

function ratesOf({ learningRates }: SummaryRow): string {
  const [first] = Object.values(learningRates);
  return first === undefined || first === null ? absent : learningRateText(first);
}

/**
 * One table for each phase that is scored.
 * @param shown `table`: the metrics that are shown wherever results are; `report`: all of them
 */
export function phaseTables(
  phases: readonly PhaseFacts[],
  rows: readonly SummaryRow[],
  shown: RecordedMetric['shown'],
): PhaseTable[] {
  return phases
    .filter(({ evaluations }) => evaluations.length > 0)
    .map((facts) => {
      const own = rows.filter((row) => row.learningRates[facts.name] !== undefined);
      return {
        facts,
        names: nameColumns(rows),
        scores: [rateColumn(facts.name), seedsColumn(facts, own), ...scoreColumns(facts, own, shown)],
        rows: own,
      };
    });
}

/** The rate of a row's training in a phase, with a mark where a search ended at an edge. */
function rateColumn(phase: string): Column {
  return {
    title: ['learning', 'rate'],
    numeric: true,
    hint: '↑ ↓ chosen, and the highest or lowest of the rates tried: a better one may lie beyond',
    content(row) {
      const own = row.learningRates[phase];
      if (own === undefined || own === null) return absent;
      return `${learningRateText(own)}${row.search?.phase === phase ? edgeMark(row) : ''}`;
    },
  };
}

/** What marks a chosen rate that is at an end of those tried. */
export function edgeMark({ search }: Pick<SummaryRow, 'search'>): string {
  return search?.edge === 'highest' ? ' ↑' : search?.edge === 'lowest' ? ' ↓' : '';
}

function seedsColumn({ draws }: PhaseFacts, rows: readonly SummaryRow[]): Column {
  const title = draws > 1 ? ['seeds ×', 'draws'] : ['seeds'];
  const text = (seeds: number) => (draws > 1 ? `${seeds} × ${draws}` : String(seeds));
  const hint = `what mean and standard deviation are over; at most ${Math.max(0, ...rows.map(({ seeds }) => seeds.length))} here`;
  return { title, numeric: true, hint, content: ({ seeds }) => text(seeds.length) };
}

function scoreColumns(
  { name, evaluations }: PhaseFacts,
  rows: readonly SummaryRow[],
  shown: RecordedMetric['shown'],
): Column[] {
  const all = columnsOf(rows).filter(({ phase }) => phase === name);
  const several = evaluations.length > 1;
  return all
    .filter(({ metric, caveat }) =>
      caveat === null ? shown === 'report' || metric.shown === 'table' : metric.primary,
    )
    .map((column): Column => {
      const { evaluation, caveat, metric } = column;
      return {
        title: [...(caveat === null ? [] : ['NOT:']), ...(several ? [evaluation] : []), metricTitle(metric)],
        numeric: true,
        hint: caveat === null ? metric.description : caveat,
        content: (row) => ({
          estimate: row.scores.find((own) => keyOf(own) === keyOf(column))?.estimate ?? null,
          format: (value) => formatMetric(metric, value),
          struck: caveat !== null,
        }),
      };
    });
}

/** The score columns of all rows, each once, in their order. */
export function columnsOf(rows: readonly SummaryRow[]): ScoreColumn[] {
  const columns = new Map<string, ScoreColumn>();
  for (const { scores } of rows) for (const column of scores) columns.set(keyOf(column), column);
  return [...columns.values()];
}

function keyOf({ phase, evaluation, metric }: ScoreColumn): string {
  return JSON.stringify([phase, evaluation, metric.key]);
}

/** What each method costs, and what is not of a single phase. */
export function costColumns(rows: readonly SummaryRow[]): Column[] {
  return [
    {
      title: ['tuned', '%'],
      numeric: true,
      hint: 'trainable / (backbone + trainable), with the head of the first phase',
      content: ({ tunedShare }) => percent(tunedShare, 2),
    },
    {
      title: ['images/s'],
      numeric: true,
      hint: 'the steps of training in the first phase, on this machine; without the pass that computed kept features',
      content: ({ imagesPerSecond }) => rate(imagesPerSecond.value),
    },
    ...(keepsFeatures(rows)
      ? [
          {
            title: ['features', 'images/s'],
            numeric: true,
            hint: 'the pass that computed the features kept for that training, now or for an earlier cell; n/a where the steps run the whole model',
            content: ({ featuresImagesPerSecond: pass }: SummaryRow) => (pass ? rate(pass.value) : absent),
          },
        ]
      : []),
    {
      title: ['peak', 'MB'],
      numeric: true,
      hint: 'largest resident set of the process',
      content: ({ peakMemoryBytes }) => megabytes(peakMemoryBytes),
    },
    ...(rows.some(({ meanCka }) => meanCka !== null)
      ? [
          {
            title: ['mean', 'CKA'],
            numeric: true,
            hint: 'between different layers, debiased',
            content: ({ meanCka }: SummaryRow) => ({
              estimate: meanCka,
              format: (value: number) => value.toFixed(3),
            }),
          },
        ]
      : []),
  ];
}

/** Whether any row trained on features that were kept. */
export function keepsFeatures(rows: readonly SummaryRow[]): boolean {
  return rows.some(({ featuresImagesPerSecond }) => featuresImagesPerSecond !== null);
}

function textColumn(title: string, content: (row: SummaryRow) => string): Column {
  return { title: [title], numeric: false, content };
}
