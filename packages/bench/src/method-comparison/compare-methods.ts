import type { Agreement, AverageAccuracy, MethodDifferences } from '@kora-bench/comparison';
import {
  agreementOf,
  averageAccuracy,
  methodDifferences,
  onlyRight,
  pooledValue,
} from '@kora-bench/comparison';
import { KoraError } from '@kora-bench/core/errors';
import { primaryMetric } from '@kora-bench/core/training';
import type { RecordedMetric } from '../records/phase-record-schema.js';
import type { CellRecord, DoneRecord } from '../records/record-schema.js';
import type { Scores } from '../records/score-files.js';
import { ScoreFiles } from '../records/score-files.js';

/** How the methods of a run differ in one evaluation of one phase, on the same images and seeds. */
export interface MethodComparison {
  readonly phase: string;
  readonly evaluation: string;
  readonly metric: RecordedMetric;
  readonly model: string;
  /** `backend:device`. */
  readonly engine: string;
  /** Those that all methods have. */
  readonly seeds: readonly number[];
  readonly examples: number;
  readonly differences: MethodDifferences;
  /** Of tasks with one class per image. */
  readonly predictions: PredictionComparison | null;
}

/** How the predictions of methods differ; shares and counts are means over the seeds. */
export interface PredictionComparison {
  readonly pairs: readonly (Agreement & { readonly first: string; readonly second: string })[];
  /** Images that a method alone has right, the most first. */
  readonly onlyRight: readonly {
    readonly label: string;
    /** A mean over the seeds. */
    readonly images: number;
    /** Some of them, of the first seed. */
    readonly examples: readonly string[];
  }[];
  /** The method that has most images right, by a mean over the seeds. */
  readonly best: { readonly label: string; readonly accuracy: number };
  /** Of the mean of all methods' probabilities; null where these were not kept. */
  readonly average: AverageAccuracy | null;
}

export interface RunMethodComparisons {
  readonly comparisons: readonly MethodComparison[];
  /** Why a phase is left out. */
  readonly problems: readonly string[];
}

/** Of a run whose methods are not compared. */
export const noMethodComparisons: RunMethodComparisons = { comparisons: [], problems: [] };

/**
 * Compares the methods of a run with each other: the primary metric of every evaluation that is worth reading, each model
 * and engine by itself. Never rejects for a damaged file of scores, which costs its phase alone.
 */
export async function compareMethods(
  runDir: string,
  records: readonly CellRecord[],
): Promise<RunMethodComparisons> {
  const done = records.filter((record): record is DoneRecord => record.status === 'done');
  const comparisons: MethodComparison[] = [];
  const problems: string[] = [];
  for (const group of groupsOf(done)) {
    for (const { phase, evaluation, metric } of evaluationsOf(group)) {
      try {
        const found = await compareEvaluation({ runDir, group, phase, evaluation, metric });
        if (typeof found === 'string') problems.push(`${phase}: ${found}`);
        else if (found !== null) comparisons.push(found);
      } catch (error) {
        if (!(error instanceof KoraError)) throw error;
        problems.push(`${phase}: ${error.message} ${error.where ?? ''}`.trim());
      }
    }
  }
  return { comparisons, problems };
}

/** Records of one model on one engine, where there are several methods. */
function groupsOf(done: readonly DoneRecord[]): DoneRecord[][] {
  const groups = new Map<string, DoneRecord[]>();
  for (const record of done) {
    const { model, backend, device } = record.cell;
    const key = JSON.stringify([model, backend, device]);
    groups.set(key, [...(groups.get(key) ?? []), record]);
  }
  return [...groups.values()].filter((group) => new Set(group.map(({ cell }) => cell.label)).size > 1);
}

interface PrimaryEvaluation {
  readonly phase: string;
  readonly evaluation: string;
  readonly metric: RecordedMetric;
}

/** The first evaluation of each phase, but for numbers that are not what they seem. */
function evaluationsOf(group: readonly DoneRecord[]): PrimaryEvaluation[] {
  const phases = new Map(
    group.flatMap(({ phases: own }) => own.map((phase) => [phase.name, phase] as const)),
  );
  return [...phases.values()].flatMap(({ name, metrics, draws }) => {
    const evaluation = draws[0]!.evaluations.find(({ caveat }) => caveat === null);
    return evaluation === undefined
      ? []
      : [{ phase: name, evaluation: evaluation.name, metric: primaryMetric(metrics) }];
  });
}

interface EvaluationSpec extends PrimaryEvaluation {
  readonly runDir: string;
  readonly group: readonly DoneRecord[];
}

/** Null where fewer than two methods have it; a string says why they cannot be compared. */
async function compareEvaluation(spec: EvaluationSpec): Promise<MethodComparison | string | null> {
  const { runDir, group, phase, evaluation, metric } = spec;
  const link = metric.scores;
  if (link === undefined) return 'the metric does not come from scores of single images.';
  const labels = [...new Set(group.map(({ cell }) => cell.label))].filter((label) =>
    group.some(({ cell, phases }) => cell.label === label && phases.some(({ name }) => name === phase)),
  );
  if (labels.length < 2) return null;
  const find = (label: string, seed: number) =>
    group.find(
      ({ cell, phases }) =>
        cell.label === label && cell.seed === seed && phases.some(({ name }) => name === phase),
    );
  const seeds = [...new Set(group.map(({ cell }) => cell.seed))].filter((seed) =>
    labels.every((label) => find(label, seed) !== undefined),
  );
  if (seeds.length === 0) return 'no seed is done for all methods.';
  const files = new ScoreFiles();
  const methods = await Promise.all(
    labels.map(async (label) => {
      const evaluations = seeds.flatMap((seed) =>
        find(label, seed)!
          .phases.find(({ name }) => name === phase)!
          .draws.flatMap((draw) => draw.evaluations.find(({ name }) => name === evaluation) ?? []),
      );
      const scores = await Promise.all(evaluations.map((one) => files.read(runDir, one.scores)));
      const values = evaluations.flatMap(({ values: { [metric.key]: value } }) => value ?? []);
      return { label, scores, value: values.reduce((sum, one) => sum + one, 0) / values.length };
    }),
  );
  const all = methods.flatMap(({ scores }) => scores);
  const [first] = all;
  if (!first || all.some((one) => one === null)) return 'the scores of single images are not there.';
  const known = all as readonly Scores[];
  const paths = first.paths.join('\n');
  if (known.some((one) => one.paths.join('\n') !== paths))
    return 'the methods were scored on different images.';
  if (methods.some(({ scores }) => scores.length !== methods[0]!.scores.length))
    return 'the methods have different numbers of draws.';
  if (known.some(({ columns }) => !columns.has(link.score)))
    return `the scores have no column ${link.score}.`;
  const weights = link.weight === undefined ? undefined : first.columns.get(link.weight);
  const rows = methods.map(({ label, value, scores }) => ({
    label,
    value,
    scores: scores.map((one) => one!.columns.get(link.score)!),
  }));
  const pools = rows.every(({ value, scores }) => {
    const values = scores.map((row) => pooledValue(row, link.pooledAs, weights));
    return (
      Math.abs(values.reduce((sum, one) => sum + one, 0) / values.length - value) <=
      1e-5 * Math.abs(value) + 1e-9
    );
  });
  const { cell } = group[0]!;
  return {
    phase,
    evaluation,
    metric,
    model: cell.model,
    engine: `${cell.backend}:${cell.device}`,
    seeds,
    examples: first.paths.length,
    differences: methodDifferences(rows, {
      direction: metric.direction,
      pooledAs: pools ? link.pooledAs : 'related',
      ...(weights && { weights }),
    }),
    predictions: comparePredictions(
      methods.map(({ label, scores }) => ({ label, scores: scores as readonly Scores[] })),
    ),
  };
}

interface ScoredMethod {
  readonly label: string;
  /** One for each seed and draw. */
  readonly scores: readonly Scores[];
}

const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;

/** Null for tasks without one class per image. */
function comparePredictions(methods: readonly ScoredMethod[]): PredictionComparison | null {
  const trainings = methods[0]!.scores.map((_, i) => methods.map(({ scores }) => scores[i]!));
  const has = (column: string) => trainings.every((row) => row.every(({ columns }) => columns.has(column)));
  if (!has('label') || !has('predicted')) return null;
  const predicted = trainings.map((row) => row.map(({ columns }) => columns.get('predicted')!));
  const pairs = methods.flatMap(({ label: first }, a) =>
    methods.slice(a + 1).map(({ label: second }, i) => {
      const found = predicted.map((row) => agreementOf(row[a]!, row[a + 1 + i]!));
      const kappas = found.flatMap(({ kappa }) => kappa ?? []);
      return {
        first,
        second,
        disagreement: mean(found.map(({ disagreement }) => disagreement)),
        kappa: kappas.length === 0 ? null : mean(kappas),
      };
    }),
  );
  const alone = trainings.map((row, i) =>
    onlyRight({ labels: row[0]!.columns.get('label')!, predicted: predicted[i]! }),
  );
  const right = methods.map(({ label }, method) => ({
    label,
    accuracy: mean(
      trainings.map((row, i) =>
        mean(
          Array.from(predicted[i]![method]!, (one, k) => Number(one === row[0]!.columns.get('label')![k])),
        ),
      ),
    ),
  }));
  const averages = has('probability')
    ? trainings.map((row) => averageAccuracy(row[0]!.columns.get('label')!, row.map(topClassesOf)))
    : [];
  return {
    pairs,
    onlyRight: methods
      .map(({ label, scores }, method) => ({
        label,
        images: mean(alone.map((found) => found[method]!.length)),
        examples: alone[0]![method]!.slice(0, 8).map((i) => scores[0]!.paths[i]!),
      }))
      .toSorted((a, b) => b.images - a.images),
    best: right.reduce((best, one) => (one.accuracy > best.accuracy ? one : best)),
    average:
      averages.length === 0
        ? null
        : {
            accuracy: mean(averages.map(({ accuracy }) => accuracy)),
            certain: mean(averages.map(({ certain }) => certain)),
          },
  };
}

/** The columns `predicted`, `probability`, `predicted2`, `probability2` and so on, as rows of examples. */
function topClassesOf({ paths, columns }: Scores) {
  const places = ['', '2', '3', '4', '5'].filter((place) => columns.has(`probability${place}`));
  const rows = (name: string) =>
    Float64Array.from({ length: paths.length * places.length }, (_, k) => {
      const place = places[k % places.length]!;
      return columns.get(`${name}${place}`)![Math.floor(k / places.length)]!;
    });
  return { classes: rows('predicted'), probabilities: rows('probability') };
}
