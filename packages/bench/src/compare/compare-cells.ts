import type { Comparison, Likeness, LikenessResult } from '@kora-bench/comparison';
import {
  compareBits,
  compareExact,
  comparePaired,
  compareQuality,
  compareSampled,
  compareUnpairedShares,
  pooledValue,
  qualityMargin,
} from '@kora-bench/comparison';
import type { ComparedCell } from '../measures/compared-cell.js';
import { keptOfFingerprints } from '../measures/compared-cell.js';
import type { Measure } from '../measures/measures.js';
import type { DoneRecord } from '../records/record-schema.js';
import type { ScoreFiles, Scores } from '../records/score-files.js';
import type { CellPair, ComparisonRow, NoiseOf, Refusal } from './run-comparison.js';

/** Relative changes of measurements that are never called one. */
const floors: Readonly<Record<string, number>> = { peakMemoryBytes: 0.05 };
const speedFloor = 0.02;

interface ComparedCells {
  readonly rows: readonly { readonly measure: ComparisonRow['measure']; readonly comparison: Comparison }[];
  readonly refused: readonly Refusal[];
}

/** All measures that both sides of a pair have. What must not be compared is refused, with the reason. */
export async function compareCells(
  pair: CellPair,
  files: ScoreFiles,
  { noiseOf, alpha }: { readonly noiseOf: NoiseOf; readonly alpha: number },
): Promise<ComparedCells> {
  const { name, seeds } = pair;
  const rows: { measure: ComparisonRow['measure']; comparison: Comparison }[] = [];
  const refused: Refusal[] = [];
  const refuse = (what: string, reason: string) => {
    if (!refused.some((one) => one.what === what)) refused.push({ cell: name, what, reason });
  };
  const of = (cells: readonly ComparedCell[]) =>
    seeds.map((seed) => cells.find((cell) => cell.seed === seed)!);
  const [base, head] = [of(pair.base), of(pair.head)];
  for (const { value, interval, ...measure } of base[0]!.measures) {
    const { key, phase, kind } = measure;
    const values = (cells: readonly ComparedCell[]) =>
      cells.flatMap(({ measures }) => measures.find((one) => one.key === key)?.value ?? []);
    const found = { base: values(base), head: values(head) };
    if (found.base.length < seeds.length || found.head.length < seeds.length) continue;
    const otherData = phase === null ? null : differingData(base, head, phase);
    if (otherData !== null) refuse(`phase ${phase}`, otherData);
    else if (kind === 'count') {
      rows.push({ measure, comparison: compareExact(mean(found.base), mean(found.head), measure.direction) });
    } else if (kind === 'sample') {
      const otherMachine = differingTestbeds(base, head);
      if (otherMachine !== null) refuse('speed and memory', otherMachine);
      else {
        const comparison = compareSampled({
          // A process is a measurement, whatever its seed.
          base: values(pair.base),
          head: values(pair.head),
          direction: measure.direction,
          noise: noiseOf(head[0]!, key),
          floor: floors[key] ?? speedFloor,
          alpha,
        });
        rows.push({ measure, comparison });
      }
    } else {
      rows.push({ measure, comparison: await compareMetric(measure, { base, head }, found, files) });
    }
  }
  for (const [side, own, other] of [
    ['base', base, head],
    ['head', head, base],
  ] as const) {
    const alone = own[0]!.measures.filter(({ key }) => !other[0]!.measures.some((one) => one.key === key));
    // A failed cell has no measures but that it failed, which is a row.
    if (alone.length > 0 && other[0]!.failure === null)
      refuse(alone.map(({ title }) => title).join(', '), `Only the ${side} has it.`);
  }
  return { rows, refused };
}

const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;

interface Sides<T> {
  readonly base: T;
  readonly head: T;
}

/** Why the data of a phase are not the same; null where they are. */
function differingData(
  base: readonly ComparedCell[],
  head: readonly ComparedCell[],
  phase: string,
): string | null {
  for (const [i, own] of base.entries()) {
    const [a, b] = [own.data.get(phase), head[i]!.data.get(phase)];
    if (a === undefined || b === undefined) continue;
    for (const part of new Set([...Object.keys(a), ...Object.keys(b)])) {
      // A history keeps the beginnings alone.
      const short = (fingerprint: string | undefined) =>
        fingerprint?.slice(0, keptOfFingerprints) ?? 'absent';
      if (short(a[part]) === short(b[part])) continue;
      return `Other data: the fingerprint of ${part} is ${short(a[part])} in the base and ${short(b[part])} in the head.`;
    }
  }
  return null;
}

function differingTestbeds(base: readonly ComparedCell[], head: readonly ComparedCell[]): string | null {
  const all = new Map([...base, ...head].flatMap(({ testbed }) => (testbed ? [[testbed.id, testbed]] : [])));
  if (all.size <= 1) return null;
  return `Measured on different machines: ${[...all.values()].map(({ description }) => description).join(' / ')}.`;
}

async function compareMetric(
  measure: ComparisonRow['measure'],
  { base, head }: Sides<readonly ComparedCell[]>,
  found: Sides<readonly number[]>,
  files: ScoreFiles,
): Promise<Comparison> {
  const { direction, isShare, metric, examples } = measure;
  const values = { base: mean(found.base), head: mean(found.head) };
  const without = (note: string): Comparison =>
    isShare && examples !== null
      ? { ...compareUnpairedShares({ ...values, examples, direction }), note }
      : {
          ...values,
          difference: values.head - values.base,
          interval: null,
          p: null,
          counts: false,
          test: 'none',
          direction,
          least: 0,
          margin: qualityMargin(values.base, isShare),
          note,
        };
  if ([...base, ...head].some(({ source }) => source === null))
    return without('Not paired: a history keeps no scores of single examples.');
  const link = metric?.scores;
  if (link === undefined) return without('The metric does not come from scores of single examples.');
  const read = async (cells: readonly ComparedCell[]) =>
    (await Promise.all(cells.map((cell) => scoresOf(cell, measure, files)))).flat();
  const scores = { base: await read(base), head: await read(head) };
  if (scores.base.length !== scores.head.length) return without('The sides have different numbers of draws.');
  const all = [...scores.base, ...scores.head];
  if (all.includes(null)) return without('Not paired: the scores of single examples are not there.');
  const known = all as readonly Scores[];
  const [{ paths, columns }] = known as [Scores];
  if (known.some((one) => one.paths.join('\n') !== paths.join('\n')))
    return without('Not paired: the scores are of different examples.');
  if (known.some((one) => !one.columns.has(link.score)))
    return without(`Not paired: the files of scores have no column ${link.score}.`);
  const rows = (side: readonly (Scores | null)[]) => side.map((one) => one!.columns.get(link.score)!);
  const sides = { base: rows(scores.base), head: rows(scores.head) };
  const weights = link.weight === undefined ? undefined : columns.get(link.weight);
  const reproduced = (side: 'base' | 'head') =>
    Math.abs(mean(sides[side].map((row) => pooledValue(row, link.pooledAs, weights))) - values[side]) <=
    1e-5 * Math.abs(values[side]) + 1e-9;
  const related = link.pooledAs === 'related' || !reproduced('base') || !reproduced('head');
  const paired = comparePaired(
    { ...sides, ...(weights && { weights }) },
    { pooledAs: related ? 'related' : link.pooledAs },
  );
  return compareQuality({ paired, ...values, direction, isShare, related });
}

/** The scores of every draw; a single null where the cell has none. */
async function scoresOf(
  { source }: ComparedCell,
  { phase, evaluation }: Pick<Measure, 'phase' | 'evaluation'>,
  files: ScoreFiles,
): Promise<(Scores | null)[]> {
  if (source === null || source.record.status !== 'done') return [null];
  const { draws } = source.record.phases.find(({ name }) => name === phase)!;
  return Promise.all(
    draws.map(({ evaluations }) =>
      files.read(source.runDir, evaluations.find(({ name }) => name === evaluation)?.scores ?? null),
    ),
  );
}

const likenesses: readonly Likeness[] = ['identical', 'differs in the last digits', 'differs'];
/** The less alike, the higher. */
const rank = ({ likeness }: LikenessResult) => likenesses.indexOf(likeness);

/**
 * How alike all losses, values and scores of a pair are over its seeds; null where they are not known, or where the data
 * differ.
 */
export async function likenessOf(
  { seeds, base, head }: CellPair,
  files: ScoreFiles,
): Promise<LikenessResult | null> {
  let result: LikenessResult | null = null;
  for (const seed of seeds) {
    const [a, b] = [base, head].map((cells) => cells.find((cell) => cell.seed === seed)!) as [
      ComparedCell,
      ComparedCell,
    ];
    const known = a.source?.record.status === 'done' && b.source?.record.status === 'done';
    if (!known || [...a.data.keys()].some((phase) => differingData([a], [b], phase) !== null)) return null;
    const [ofA, ofB] = [await numbersOf(a, files), await numbersOf(b, files)];
    // Later versions may keep more.
    const common = [...ofA.keys()].filter((key) => ofB.has(key));
    const all = (numbers: ReadonlyMap<string, readonly number[]>) => common.map((key) => numbers.get(key)!);
    const own = compareBits(all(ofA), all(ofB));
    if (result === null || rank(own) > rank(result)) result = own;
  }
  return result;
}

/** Everything that a cell's training and scoring gave; no timings. */
async function numbersOf(
  { source }: ComparedCell,
  files: ScoreFiles,
): Promise<ReadonlyMap<string, readonly number[]>> {
  const { record, runDir } = source as { readonly record: DoneRecord; readonly runDir: string };
  const numbers = new Map<string, readonly number[]>();
  for (const { name, metrics, draws } of record.phases) {
    for (const [draw, { training, evaluations }] of draws.entries()) {
      const where = `${name} ${draw}`;
      for (const [i, { losses }] of (training?.stages ?? []).entries())
        numbers.set(
          `${where} losses ${i}`,
          losses.map(({ loss }) => loss),
        );
      for (const { name: evaluation, values, scores } of evaluations) {
        for (const { key } of metrics)
          numbers.set(`${where} ${evaluation} ${key}`, [values[key] ?? Number.NaN]);
        for (const [column, score] of (await files.read(runDir, scores))?.columns ?? [])
          numbers.set(`${where} ${evaluation} scores ${column}`, Array.from(score));
      }
    }
  }
  return numbers;
}
