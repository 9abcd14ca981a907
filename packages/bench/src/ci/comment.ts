import { comparisonMarkdown, escapeMarkdown } from '../compare/comparison-markdown.js';
import { rowTexts } from '../compare/comparison-text.js';
import type { ComparisonRow } from '../compare/run-comparison.js';
import { plural } from '../table/text-table.js';
import type { RevisionsComparison } from './compare-revisions.js';

/** By which a comment is found again, to be replaced. */
export const commentMarker = '<!-- kora-bench -->';

/** Something that is worse. */
export interface Alarm {
  /** Whether it fails the build, or informs. */
  readonly gates: boolean;
  readonly cell: string;
  readonly measure: string;
  readonly difference: string;
}

export function alarmsOf({ results, speed }: RevisionsComparison): readonly Alarm[] {
  const worse = (rows: readonly ComparisonRow[]) =>
    rows
      .filter(({ verdict }) => verdict === 'worse')
      .map((row) => ({
        gates: row.measure.gating,
        cell: row.cell,
        measure: row.measure.title,
        difference: rowTexts(row).difference,
      }));
  return [...worse(results.rows), ...worse(speed?.rows ?? [])];
}

/** Of GitHub's 65,536, with room for what a workflow adds. */
const mostCharacters = 60_000;

/** A pull request's comment: what it comes to, then the tables. */
export function commentOf(comparison: RevisionsComparison): string {
  const { results, speed } = comparison;
  const alarms = alarmsOf(comparison);
  const [gating, informing] = [alarms.filter(({ gates }) => gates), alarms.filter(({ gates }) => !gates)];
  const list = (of: readonly Alarm[]) =>
    of
      .slice(0, 20)
      .map(({ cell, measure, difference }) => `- ${escapeMarkdown(`${cell}: ${measure} ${difference}`)}`)
      .join('\n');
  const title =
    gating.length > 0
      ? plural(gating.length, 'regression')
      : informing.length > 0
        ? 'no regression that fails the check'
        : 'no regression';
  const head = [
    commentMarker,
    `## Benchmarks: ${title}`,
    ...(gating.length > 0 ? [`Worse, and why this check fails:\n\n${list(gating)}`] : []),
    ...(informing.length > 0 ? [`Worse, for information:\n\n${list(informing)}`] : []),
    ...(speed?.rows.length === 0 ? ['Speed and memory could not be measured; see below.'] : []),
  ];
  const comparisons = [results, ...(speed === null ? [] : [speed])];
  const titles = [
    `Results, ${results.base} → ${results.head}`,
    'Speed and memory, measured by turns on one machine',
  ];
  for (const mostFolded of [150, 40, 0]) {
    const text = [...head, comparisonMarkdown(comparisons, { titles, mostFolded })].join('\n\n');
    if (text.length <= mostCharacters || mostFolded === 0) return text;
  }
  throw new RangeError('Unreachable: the last form is always taken.');
}
