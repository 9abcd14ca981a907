import type { Comparison } from '@kora-bench/comparison';
import { holm, significance, verdictOf } from '@kora-bench/comparison';
import type { ComparedCell } from '../measures/compared-cell.js';
import { ScoreFiles } from '../records/score-files.js';
import { compareCells, likenessOf } from './compare-cells.js';
import type {
  CellPair,
  ComparisonRow,
  NoiseOf,
  Refusal,
  RunComparison,
  UnmatchedCell,
} from './run-comparison.js';
import type { ComparedSide } from './sources.js';

export interface CompareOptions {
  readonly noiseOf?: NoiseOf;
  readonly alpha?: number;
}

/** Compares two sides cell by cell and measure by measure. */
export async function compareRuns(
  base: ComparedSide,
  head: ComparedSide,
  { noiseOf = () => null, alpha = significance }: CompareOptions = {},
): Promise<RunComparison> {
  const { pairs, unmatched } = matchCells(base.cells, head.cells);
  const found = [];
  const cells: RunComparison['cells'][number][] = [];
  const refused: Refusal[] = [];
  for (const pair of pairs) {
    const files = new ScoreFiles();
    const compared = await compareCells(pair, files, { noiseOf, alpha });
    refused.push(...compared.refused);
    const likeness = await likenessOf(pair, files);
    const { name, configuration, seeds } = pair;
    cells.push({
      name,
      seeds,
      likeness: likeness?.likeness ?? null,
      largest: likeness !== null && Number.isFinite(likeness.largest) ? likeness.largest : null,
    });
    found.push(
      ...compared.rows.map((row) => ({
        ...row,
        cell: name,
        configuration,
        seeds: seeds.length,
        identical: likeness?.likeness === 'identical',
      })),
    );
  }
  const rows = judge(found, alpha);
  return {
    base: base.name,
    head: head.name,
    cells,
    rows,
    unmatched,
    refused,
    problems: [
      ...base.problems.map((text) => `base, ${text}`),
      ...head.problems.map((text) => `head, ${text}`),
    ],
    failed: rows.some(({ verdict, measure }) => verdict === 'worse' && measure.gating),
  };
}

interface FoundRow {
  readonly cell: string;
  readonly configuration: string;
  readonly seeds: number;
  readonly identical: boolean;
  readonly measure: ComparisonRow['measure'];
  readonly comparison: Comparison;
}

/** Verdicts, with Holm over the gating quality, the other quality, and the measurements. */
function judge(found: readonly FoundRow[], alpha: number): ComparisonRow[] {
  const familyOf = ({ measure }: FoundRow) =>
    `${measure.kind} ${measure.kind === 'quality' && measure.gating}`;
  const adjusted = new Map<FoundRow, number>();
  for (const family of new Set(found.map(familyOf))) {
    const members = found.filter((row) => familyOf(row) === family && row.comparison.p !== null);
    const values = holm(members.map(({ comparison }) => comparison.p!));
    for (const [i, member] of members.entries()) adjusted.set(member, values[i]!);
  }
  return found.map((row) => {
    const { identical, ...shown } = row;
    const adjustedP = adjusted.get(row) ?? null;
    if (identical && row.measure.kind === 'quality') {
      return { ...shown, adjustedP, verdict: 'same', unconfirmed: null, note: 'Identical, bit by bit.' };
    }
    const verdict = verdictOf(row.comparison, adjustedP, alpha);
    const needsRerun = verdict === 'worse' && row.measure.kind === 'sample';
    return {
      ...shown,
      adjustedP,
      verdict: needsRerun ? 'undecided' : verdict,
      unconfirmed: needsRerun ? 'worse' : null,
      note: needsRerun ? 'Worse, if a rerun shows it again.' : row.comparison.note,
    };
  });
}

/** Cells of equal configurations, and what has no partner, with the settings that the closest cell has otherwise. */
function matchCells(
  base: readonly ComparedCell[],
  head: readonly ComparedCell[],
): { readonly pairs: readonly CellPair[]; readonly unmatched: readonly UnmatchedCell[] } {
  const of = (cells: readonly ComparedCell[], wanted: string) =>
    cells.filter(({ configuration }) => configuration === wanted);
  const pairs: CellPair[] = [];
  const unmatched: UnmatchedCell[] = [];
  const shortName = shortNames([...base, ...head]);
  for (const configuration of new Set(head.map((cell) => cell.configuration))) {
    const [bases, heads] = [of(base, configuration), of(head, configuration)];
    const seeds = [...new Set(heads.map(({ seed }) => seed))]
      .filter((seed) => bases.some((one) => one.seed === seed))
      .sort((a, b) => a - b);
    const name = shortName(heads[0]!);
    if (seeds.length > 0) pairs.push({ name, configuration, seeds, base: bases, head: heads });
  }
  const listed = (side: 'base' | 'head', cells: readonly ComparedCell[], others: readonly ComparedCell[]) => {
    for (const cell of cells) {
      const same = of(others, cell.configuration);
      if (same.some(({ seed }) => seed === cell.seed)) continue;
      unmatched.push({ side, name: shortName(cell), seed: cell.seed, reason: whyAlone(cell, same, others) });
    }
  };
  listed('base', base, head);
  listed('head', head, base);
  return { pairs, unmatched };
}

/** Names with the model and the engine only where there are several. */
function shortNames(cells: readonly ComparedCell[]): (cell: ComparedCell) => string {
  const engine = ({ backend, device }: ComparedCell) => `${backend}:${device}`;
  const models = new Set(cells.map(({ model }) => model)).size > 1;
  const engines = new Set(cells.map(engine)).size > 1;
  return (cell) =>
    [cell.label, ...(models ? [`with ${cell.model}`] : []), ...(engines ? [`on ${engine(cell)}`] : [])].join(
      ' ',
    );
}

function whyAlone(
  cell: ComparedCell,
  same: readonly ComparedCell[],
  others: readonly ComparedCell[],
): string {
  if (same.length > 0) return `the other side has only seed ${same.map(({ seed }) => seed).join(', ')}`;
  const candidates = others
    .filter(
      ({ label, backend, model }) => label === cell.label && backend === cell.backend && model === cell.model,
    )
    .map((other) => differingSettings(cell, other))
    .toSorted((a, b) => a.length - b.length);
  const [closest] = candidates;
  if (closest === undefined) return 'the other side has no such cell';
  if (closest.length === 0)
    return 'the other side has another configuration, of which only the digest is known';
  const shown = closest.slice(0, 3).map(({ path, own, other }) => `${path} is ${own} here, ${other} there`);
  return `${shown.join('; ')}${closest.length > 3 ? `; and ${closest.length - 3} more` : ''}`;
}

function differingSettings(cell: ComparedCell, other: ComparedCell) {
  if (cell.settings === null || other.settings === null) return [];
  const paths = new Set([...cell.settings.keys(), ...other.settings.keys()]);
  return [...paths].flatMap((path) => {
    const [own, there] = [cell.settings!.get(path) ?? 'absent', other.settings!.get(path) ?? 'absent'];
    return own === there ? [] : [{ path, own, other: there }];
  });
}
