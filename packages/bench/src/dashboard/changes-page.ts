import { comparisonColumns } from '../compare/comparison-page.js';
import { cellsText, pText, readingHelp, remarks, rowTexts, sortedRows } from '../compare/comparison-text.js';
import type { ComparisonRow } from '../compare/run-comparison.js';
import { measureText } from '../measures/measures.js';
import { escapeHtml, folded, heading, markup, table } from '../report/html.js';
import { plural } from '../table/text-table.js';
import type { MachineChanges, ResultsSpan } from './changes.js';
import type { FoundShift, SeriesData } from './series-data.js';
import type { SiteContent } from './site-content.js';

/** At most so many shifts are listed before the rest is folded away. */
const shiftsShown = 12;

/** What changed since last time, in words. */
export function changesPage(
  { hasHistory, runs, problems }: SiteContent,
  changes: readonly MachineChanges[],
  { index, shifts }: SeriesData,
): string {
  const rows = changes.flatMap(({ comparison }) => comparison.rows);
  return markup(
    '<h1>What changed</h1>',
    `<p class="headline" data-news>${escapeHtml(headline(changes, rows, hasHistory))}</p>`,
    problemsNote(problems),
    changes.length === 0 && beginning(hasHistory, runs.length > 0),
    rows.length > 0 && tiles(rows),
    ...changes.map((machine) => machineSection(machine, { several: changes.length > 1, index })),
    shiftsSection(shifts),
  );
}

function headline(
  changes: readonly MachineChanges[],
  rows: readonly ComparisonRow[],
  hasHistory: boolean,
): string {
  if (changes.length === 0)
    return hasHistory ? 'The history has no results yet.' : 'There are no finished results yet.';
  if (rows.length === 0)
    return 'There is nothing to compare with yet: these are the first results of every series.';
  const of = (verdict: ComparisonRow['verdict']) => rows.filter((row) => row.verdict === verdict).length;
  const [worse, better] = [of('worse'), of('better')];
  const perhaps = rows.filter(({ unconfirmed }) => unconfirmed !== null).length;
  const doubt =
    perhaps === 0
      ? ''
      : ` ${plural(perhaps, 'measurement')} may be worse: that counts only where a rerun shows it again.`;
  if (worse + better === 0) return `Nothing has changed that can be told from chance.${doubt}`;
  const got = (count: number, word: string) => `${plural(count, 'result')} got ${word}`;
  const parts = [worse > 0 && got(worse, 'worse'), better > 0 && got(better, 'better')].filter(Boolean);
  return `${parts.join(', and ')}.${doubt}`;
}

/** What could not be read. */
export function problemsNote(problems: readonly string[]): string | false {
  if (problems.length === 0) return false;
  const list = `<ul>${problems.map((problem) => `<li>${escapeHtml(problem)}</li>`).join('')}</ul>`;
  return markup(
    '<div class="notes">',
    `<p>${problems.length === 1 ? 'Something' : `${problems.length} things`} could not be read and ${problems.length === 1 ? 'is' : 'are'} left out; the rest is shown.</p>`,
    problems.length > 5 ? folded('Show them', list) : list,
    '</div>',
  );
}

function beginning(hasHistory: boolean, hasRuns: boolean): string {
  return markup(
    '<div class="card">',
    hasHistory
      ? '<p>The history is empty. <code>kora-bench history add RUN</code> adds the finished cells of a run; from the second time on, this page says what changed.</p>'
      : '<p>No history was named. <code>kora-bench history add RUN</code> begins one in the folder <code>history</code>, and <code>kora-bench dashboard history RUN</code> shows it.</p>',
    hasRuns && '<p><a href="runs.html">The runs</a> are there.</p>',
    '</div>',
  );
}

function tiles(rows: readonly ComparisonRow[]): string {
  const verdicts = ['worse', 'better', 'same', 'undecided'] as const;
  return markup(
    '<div class="tiles">',
    ...verdicts.map((verdict) => {
      const count = rows.filter((row) => row.verdict === verdict).length;
      return `<div class="card tile ${count > 0 ? verdict : ''}"><strong>${count}</strong><span>${verdict}</span></div>`;
    }),
    '</div>',
  );
}

interface SectionSettings {
  readonly several: boolean;
  readonly index: SeriesData['index'];
}

function machineSection(machine: MachineChanges, { several, index }: SectionSettings): string {
  const { testbed, comparison, base, head, fresh } = machine;
  const { shown, folded: rest } = sortedRows(comparison);
  const said = remarks(comparison);
  const id = `machine-${testbed.id}`;
  return markup(
    several && heading(testbed.description, id),
    comparison.cells.length > 0 &&
      `<p class="facts">${escapeHtml(`${several ? '' : `${testbed.description}: `}from ${spanText(base)} to ${spanText(head)}. ${cellsText(comparison)}.`)}</p>`,
    shown.length > 0 &&
      `<ul class="changes">${shown.map((row) => `<li class="card">${sentence(row, seriesLink(row, testbed.description, index))}</li>`).join('')}</ul>`,
    rest.length > 0 &&
      folded(
        `What did not change, and what cannot be told (${rest.length})`,
        markup(
          table('What did not change, and what cannot be told', comparisonColumns, rest, {
            id: `${id}-rest`,
          }),
          `<p class="muted">${escapeHtml(readingHelp)}</p>`,
        ),
      ),
    said.length > 0 &&
      folded(
        `What was not compared (${said.length})`,
        `<ul>${said.map((text) => `<li>${escapeHtml(text)}</li>`).join('')}</ul>`,
      ),
    fresh.length > 0 &&
      `<p class="muted">${escapeHtml(`Here for the first time: ${[...new Set(fresh)].join('; ')}.`)}</p>`,
  );
}

/** `1f3a09cc01 (12 May 2026)`. */
function spanText({ commits, date, dirty }: ResultsSpan): string {
  const [first, ...others] = commits;
  const commit = first?.slice(0, 10) ?? 'no commit';
  return `${commit}${others.length > 0 ? ` and ${others.length} more` : ''}${dirty ? ' with uncommitted changes' : ''} (${dateText(date)})`;
}

export function dateText(date: string): string {
  return new Date(date).toLocaleDateString('en-GB', {
    day: 'numeric',
    month: 'short',
    year: 'numeric',
    timeZone: 'UTC',
  });
}

/** A change in a sentence: what it was of, from where to where, and how sure that is. */
function sentence(row: ComparisonRow, link: string | null): string {
  const { cell, measure, difference, test, note, base, head } = rowTexts(row);
  const { verdict, unconfirmed, comparison, adjustedP } = row;
  const verb = comparison.difference > 0 ? 'rose' : 'fell';
  const title = link === null ? escapeHtml(measure) : `<a href="${link}">${escapeHtml(measure)}</a>`;
  const sure = [
    `difference ${difference}`,
    adjustedP !== null && `p ${pText(adjustedP).startsWith('<') ? '' : '= '}${pText(adjustedP)}`,
    test,
  ]
    .filter(Boolean)
    .join('; ');
  return markup(
    `<span><span class="verdict ${verdict}">${unconfirmed === null ? verdict : `${unconfirmed}?`}</span></span>`,
    `<p><strong>${escapeHtml(cell)}</strong>: ${title} ${verb} from ${escapeHtml(base)} to ${escapeHtml(head)}.</p>`,
    `<small>${escapeHtml(`${sure}.${note === '' ? '' : ` ${note}`}`)}</small>`,
  );
}

/** Where a row's series is drawn, with all its seeds. */
function seriesLink(
  { configuration, measure }: ComparisonRow,
  machine: string,
  index: SeriesData['index'],
): string | null {
  const lines = index.lines.filter((line) => {
    const series = index.series[line.series]!;
    return (
      line.measure === measure.key && series.configuration === configuration && series.machine === machine
    );
  });
  return lines.length === 0 ? null : plotLink(lines.map(({ id }) => id));
}

function plotLink(ids: readonly string[]): string {
  return `series.html#${escapeHtml(new URLSearchParams({ plot: ids.slice(0, 12).join(',') }).toString())}`;
}

function shiftsSection(shifts: readonly FoundShift[]): string | false {
  if (shifts.length === 0) return false;
  const list = (of: readonly FoundShift[]) =>
    `<ul class="changes">${of.map((shift) => `<li class="card">${shiftSentence(shift)}</li>`).join('')}</ul>`;
  const rest = shifts.slice(shiftsShown);
  return markup(
    heading('Shifts in series'),
    '<p class="facts">Lasting changes of a level, the newest first; single outliers are none.</p>',
    list(shifts.slice(0, shiftsShown)),
    rest.length > 0 && folded(`${plural(rest.length, 'earlier shift')}`, list(rest)),
  );
}

function shiftSentence({
  line,
  series,
  before,
  after,
  change,
  accepted,
  isNew,
  isDrift,
  date,
  commit,
}: FoundShift): string {
  const measure = series.definition.measures[line.measure]!;
  const isBetter = after > before === (measure.direction === 'higher');
  const text = (value: number) => escapeHtml(measureText(measure, value));
  const verb = isDrift ? 'drifts' : after > before ? 'rose' : 'fell';
  const percent = `${change > 0 ? '+' : ''}${(100 * change).toFixed(1)} %`;
  const state = [
    isNew && 'new',
    accepted !== null && `accepted: ${accepted}`,
    isDrift && 'a drift has no single commit',
  ].filter(Boolean);
  return markup(
    `<span><span class="verdict ${accepted !== null ? 'same' : isBetter ? 'better' : 'worse'}">${isBetter ? 'better' : 'worse'}</span></span>`,
    `<p><a href="${plotLink([line.id])}">${escapeHtml(measure.title)}</a> of <strong>${escapeHtml(series.definition.label)}</strong> ${verb} from ${text(before)} to ${text(after)} (${percent}).</p>`,
    `<small>${escapeHtml(`${series.definition.name}, seed ${line.seed}; ${isDrift ? 'until' : 'at'} ${commit?.slice(0, 10) ?? 'no commit'}, ${dateText(date)}${state.length > 0 ? `; ${state.join('; ')}` : ''}.`)}</small>`,
  );
}
