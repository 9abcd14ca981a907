import { primaryMetric } from '@kora-bench/core/training';
import type { Cell, CellRecord, DoneRecord } from '../records/record-schema.js';
import { cellName } from '../records/record-schema.js';
import type { Column } from '../report/html.js';
import { escapeHtml, heading, markup, slug, table } from '../report/html.js';
import { runSections } from '../report/run-page.js';
import { absent, metricTitle, plural } from '../table/text-table.js';
import { dateText, problemsNote } from './changes-page.js';
import type { SiteContent, SiteRun } from './site-content.js';

/** Address of a run's page from the site's folder. */
export const runPath = ({ id }: Pick<SiteRun, 'id'>) => `runs/${id}.html`;

/** Address of a cell's page from the site's folder. */
export const cellPath = ({ id }: Pick<SiteRun, 'id'>, cell: Pick<Cell, 'id'>) =>
  `runs/${id}/${slug(cell.id)}.html`;

type CellState = 'done' | 'failed' | 'waiting' | 'running';

function stateOf({ records, plan, running }: SiteRun, cell: Cell): CellState {
  const record = recordOf(records, cell);
  if (record !== undefined) return record.status;
  // Cells run one at a time, in the order of the plan.
  const next = plan.cells.find((one) => recordOf(records, one) === undefined);
  return running && next?.id === cell.id ? 'running' : 'waiting';
}

const recordOf = (records: readonly CellRecord[], cell: Pick<Cell, 'id'>) =>
  records.find((record) => record.cell.id === cell.id);

const stateClass: Readonly<Record<CellState, string>> = {
  done: 'better',
  failed: 'worse',
  waiting: 'same',
  running: 'undecided',
};

/** All runs of the site. */
export function runsPage({ runs, problems }: SiteContent): string {
  return markup(
    '<h1>Runs</h1>',
    problemsNote(problems),
    runs.length === 0
      ? '<p class="card">No run was named. <code>kora-bench dashboard history RUN</code> also shows the cells of a run, with their curves, findings and predictions.</p>'
      : table(
          'Runs, the newest first',
          [
            { title: 'run', cell: (run) => `<a href="${runPath(run)}">${escapeHtml(run.name)}</a>` },
            { title: 'suite', cell: ({ plan }) => escapeHtml(plan.suite) },
            { title: 'began', cell: ({ plan }) => `<span>${dateText(plan.createdAt)}</span>` },
            {
              title: 'methods',
              cell: ({ plan }) => escapeHtml([...new Set(plan.cells.map(({ label }) => label))].join(', ')),
            },
            { title: 'cells', numeric: true, cell: (run) => progressText(run) },
            { title: 'state', cell: (run) => runState(run) },
          ] satisfies Column<SiteRun>[],
          runs.toReversed(),
          { id: 'runs' },
        ),
  );
}

function progressText({ records, plan }: SiteRun): string {
  return records.length === plan.cells.length
    ? String(plan.cells.length)
    : `${records.length} of ${plan.cells.length}`;
}

function runState({ records, plan, running }: SiteRun): string {
  const failed = records.filter(({ status }) => status === 'failed').length;
  const isWhole = records.length === plan.cells.length;
  const state = isWhole ? (failed > 0 ? `${failed} failed` : 'done') : running ? 'running' : 'stopped';
  const kind = failed > 0 ? 'worse' : isWhole ? 'better' : running ? 'undecided' : 'same';
  return `<span class="verdict ${kind}">${state}</span>`;
}

/** The page of a run in a site: its report, with how far it is and its cells before it. */
export function siteRunPage(run: SiteRun): string {
  const { records, plan, name } = run;
  const several = new Set(plan.cells.map(({ model }) => model)).size > 1;
  return markup(
    '<p class="crumbs"><a href="../runs.html">Runs</a></p>',
    runSections(name, records, {
      methods: run.methods,
      before: records.length < plan.cells.length ? progressSection(run) : undefined,
    }),
    heading('Cells', 'cells'),
    table(
      'Every cell has a page: curves, findings, worst classes, predictions',
      [
        {
          title: 'cell',
          cell: (cell) => {
            const text = escapeHtml(cellName(cell, several));
            return recordOf(records, cell) === undefined
              ? text
              : `<a href="../${cellPath(run, cell)}">${text}</a>`;
          },
        },
        {
          title: 'state',
          cell: (cell) => {
            const state = stateOf(run, cell);
            return `<span class="verdict ${stateClass[state]}">${state}</span>`;
          },
        },
        ...scoreColumns(records),
        {
          title: 'took',
          numeric: true,
          hint: 'minutes',
          cell: (cell) => tookText(recordOf(records, cell)),
        },
      ] satisfies Column<Cell>[],
      plan.cells,
      { id: 'cells-table' },
    ),
  );
}

function progressSection({ records, plan, running }: SiteRun): string {
  const text = `${records.length} of ${plural(plan.cells.length, 'cell')} ${records.length === 1 ? 'is' : 'are'} there`;
  return markup(
    '<div class="card">',
    `<p data-news>${text}${running ? '.' : '; nothing is running. <code>kora-bench --resume</code> goes on.'}</p>`,
    `<progress max="${plan.cells.length}" value="${records.length}" aria-label="${text}"></progress>`,
    '</div>',
  );
}

/** The primary metric of every phase. */
function scoreColumns(records: readonly CellRecord[]): Column<Cell>[] {
  const done = records.filter((record): record is DoneRecord => record.status === 'done');
  const phases = new Map(
    done.flatMap((record) => record.phases.map((phase) => [phase.name, phase] as const)),
  );
  return [...phases.values()].flatMap(({ name, metrics, draws }) => {
    if (draws[0]!.evaluations.length === 0) return [];
    const metric = primaryMetric(metrics);
    return [
      {
        title: `${name} ${metricTitle(metric)}`,
        numeric: true,
        hint: metric.description,
        cell: (cell: Cell) => {
          const record = recordOf(done, cell) as DoneRecord | undefined;
          const evaluations = record?.phases.find((phase) => phase.name === name)?.draws[0]?.evaluations;
          const value = evaluations?.find(({ caveat }) => caveat === null)?.values[metric.key];
          return value === undefined || value === null
            ? absent
            : (value * metric.format.scale).toFixed(metric.format.digits);
        },
      },
    ];
  });
}

function tookText(record: CellRecord | undefined): string {
  if (record === undefined) return '';
  const minutes = (Date.parse(record.finishedAt) - Date.parse(record.startedAt)) / 60_000;
  return `${minutes.toFixed(minutes < 10 ? 1 : 0)} min`;
}
