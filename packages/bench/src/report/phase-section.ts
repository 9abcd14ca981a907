import { primaryMetric } from '@kora-bench/core/training';
import type { EvaluationRecord, PhaseRecord, RecordedMetric } from '../records/phase-record-schema.js';
import type { DoneRecord } from '../records/record-schema.js';
import { describeImages, describePhase } from '../table/phase-facts.js';
import type { PhaseTable } from '../table/phase-table.js';
import { rowName } from '../table/phase-table.js';
import type { SummaryRow } from '../table/summary-row.js';
import { estimateColumn, scoreColumns } from '../table/summary-row.js';
import { metricTitle, plural } from '../table/text-table.js';
import type { ScoreSpec } from './charts.js';
import { costAxes, intervalFigure, paretoFigure } from './charts.js';
import type { Curve } from './curves.js';
import { trainingCurves } from './curves.js';
import { fieldMarkup, rowsTable } from './fields.js';
import { escapeHtml, folded, heading, markup, slug, table } from './html.js';

/** What the sections of a page are made from. */
export interface PageContent {
  readonly rows: readonly SummaryRow[];
  /** Of the cells that are done. */
  readonly records: readonly DoneRecord[];
}

/**
 * A phase that is scored: what it was, one table over all seeds, its charts, and to open, the other metrics and the
 * single cells.
 */
export function phaseSection(
  phaseTable: PhaseTable,
  { whole, content: { rows, records } }: { readonly whole: PhaseTable; readonly content: PageContent },
): string {
  const { facts, names, scores } = phaseTable;
  const single = records.flatMap((record) =>
    record.phases.filter(({ name }) => name === facts.name).map((phase) => ({ record, phase })),
  );
  const spec = scoreSpec(phaseTable, { rows, records });
  return markup(
    heading(facts.name, idOf(facts.name)),
    `<p class="facts">${escapeHtml(`${describePhase(facts)}; ${describeImages(facts)}.`)}</p>`,
    rowsTable(`${facts.name}: ${captionOf(phaseTable)}`, [...names, ...scores], phaseTable.rows, {
      id: `${idOf(facts.name)}-results`,
    }),
    '<div class="charts">',
    spec && intervalFigure(spec, spec.axis.title),
    spec && paretoFigure(spec, Object.values(costAxes), `${spec.axis.title} against cost`),
    '</div>',
    whole.scores.length > scores.length &&
      folded(
        `All metrics of ${facts.name}`,
        rowsTable(`${facts.name}, all metrics`, [...names, ...whole.scores], whole.rows),
      ),
    folded(`Single cells of ${facts.name}`, cellsTable(facts.name, single)),
  );
}

/** What stands in the fields of a phase's table. */
function captionOf({ facts, rows }: PhaseTable): string {
  const seeds = Math.max(...rows.map((row) => row.seeds.length));
  const over = [seeds > 1 && plural(seeds, 'seed'), facts.draws > 1 && plural(facts.draws, 'draw')].filter(
    Boolean,
  );
  return over.length === 0
    ? 'one seed; in brackets the 95 % interval over the images'
    : `mean ± standard deviation over ${over.join(' and ')}; in brackets the 95 % interval of the mean`;
}

/** The loss of every method over the training of a phase. */
export function curvesOf(phase: string, { rows, records }: PageContent): string {
  const curves = rows.flatMap((row, index): Curve[] => {
    const trainings = ofRow(row, records).flatMap((record) =>
      record.phases.filter(({ name }) => name === phase).flatMap(progressOf),
    );
    return trainings.length === 0 ? [] : [{ label: rowName(row, rows), index, trainings }];
  });
  return trainingCurves(`${idOf(phase)}-training`, phase, curves);
}

/** What the ids of a phase's parts begin with. */
function idOf(phase: string): string {
  return `phase-${slug(phase)}`;
}

/** The records that a row is made of. */
export function ofRow(row: SummaryRow, records: readonly DoneRecord[]): readonly DoneRecord[] {
  return records.filter(({ cell }) => row.cells.includes(cell.id));
}

/** The primary metric of a phase, for charts; undefined where it has no value to read. */
function scoreSpec({ facts, rows: own }: PhaseTable, { rows, records }: PageContent): ScoreSpec | undefined {
  const evaluation = facts.evaluations.find(({ caveat }) => caveat === null);
  if (evaluation === undefined) return undefined;
  const metric = primaryMetric(facts.metrics);
  const shown = (value: number) => value * metric.format.scale;
  const chance = evaluation.chance[metric.key];
  return {
    id: idOf(facts.name),
    axis: { title: metricTitle(metric), direction: metric.direction, digits: metric.format.digits },
    ...(chance !== undefined && { line: { value: shown(chance), label: 'chance' } }),
    points: own.flatMap((row) => {
      const estimate = row.scores.find(
        (one) =>
          one.phase === facts.name && one.evaluation === evaluation.name && one.metric.key === metric.key,
      )?.estimate;
      if (!estimate) return [];
      return [
        {
          label: rowName(row, rows),
          index: rows.indexOf(row),
          costs: {
            tuned: 100 * row.tunedShare,
            time: 1000 / row.imagesPerSecond.value,
            memory: row.peakMemoryBytes / 1e6,
          },
          score: shown(estimate.value),
          interval:
            estimate.interval && ([shown(estimate.interval[0]), shown(estimate.interval[1])] as const),
          measurements: ofRow(row, records)
            .flatMap(({ phases }) => phases.filter(({ name }) => name === facts.name))
            .flatMap(({ draws }) => draws.flatMap(({ evaluations }) => evaluations))
            .filter(({ name }) => name === evaluation.name)
            .flatMap(({ values }) => values[metric.key] ?? [])
            .map(shown),
        },
      ];
    }),
  };
}

function progressOf({ draws }: PhaseRecord): Curve['trainings'] {
  return draws.flatMap(({ training }) => {
    if (training === null) return [];
    const last = training.stages.at(-1)!;
    return [last.losses.map(({ step, loss }) => [(100 * (step + 1)) / last.steps, loss] as const)];
  });
}

interface SinglePhase {
  readonly record: DoneRecord;
  readonly phase: PhaseRecord;
}

/** A phase's metrics, one row for each cell and evaluation. */
function cellsTable(name: string, single: readonly SinglePhase[]): string {
  const rows = single.flatMap(({ record, phase }) =>
    phase.draws[0]!.evaluations.map((evaluation) => ({ record, phase, evaluation })),
  );
  type Row = (typeof rows)[number];
  const several = rows.some(({ phase }) => phase.draws[0]!.evaluations.length > 1);
  const models = new Set(single.map(({ record }) => record.cell.model)).size > 1;
  return table(
    `${name}, by cell`,
    [
      { title: 'method', cell: ({ record }: Row) => escapeHtml(record.cell.label) },
      ...(models ? [{ title: 'model', cell: ({ record }: Row) => escapeHtml(record.cell.model) }] : []),
      {
        title: 'backend',
        cell: ({ record: { cell } }: Row) => escapeHtml(`${cell.backend}:${cell.device}`),
      },
      { title: 'seed', numeric: true, cell: ({ record }: Row) => String(record.cell.seed) },
      ...(several ? [{ title: 'scored on', cell: ({ evaluation }: Row) => evaluationName(evaluation) }] : []),
      {
        title: 'training images',
        numeric: true,
        cell: ({ phase }: Row) => String(phase.draws[0]!.train.examples),
      },
      ...single[0]!.phase.metrics.map((metric) => ({
        title: metricTitle(metric),
        numeric: true,
        hint: metric.description,
        cell: ({ record, evaluation }: Row) => scoreCell(record, { phase: name, evaluation, metric }),
      })),
    ],
    rows,
  );
}

function evaluationName({ name, caveat, details: { distinctLabels } }: EvaluationRecord): string {
  if (caveat === null) return escapeHtml(name);
  const labels = typeof distinctLabels === 'number' ? `, ${distinctLabels} in all` : '';
  return `<span title="${escapeHtml(caveat)}">${escapeHtml(name)}${labels}: not what it seems</span>`;
}

function scoreCell(
  record: DoneRecord,
  {
    phase,
    evaluation,
    metric,
  }: { readonly phase: string; readonly evaluation: EvaluationRecord; readonly metric: RecordedMetric },
): string {
  const column = scoreColumns([record]).find(
    (one) => one.phase === phase && one.evaluation === evaluation.name && one.metric.key === metric.key,
  );
  return fieldMarkup({
    estimate: column ? estimateColumn([record], column) : null,
    format: (value) => (value * metric.format.scale).toFixed(metric.format.digits),
    struck: evaluation.caveat !== null,
  });
}
