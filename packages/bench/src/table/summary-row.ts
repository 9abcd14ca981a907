import { meanConfidenceInterval, sampleMean, sampleStandardDeviation } from '@kora-bench/core/metrics';
import { ckaResultSchema } from '../analyses/cka-schema.js';
import type { Finding, RecordedMetric } from '../records/phase-record-schema.js';
import type { DoneRecord, SearchRecord } from '../records/record-schema.js';

/** A measured value with its uncertainty. */
export interface Estimate {
  /** The value of the only measurement, or the mean over seeds and draws. */
  readonly value: number;
  /**
   * 95 %: over several measurements the interval of their mean, which stays inside what is possible and is
   * seldom symmetric; for a single one the interval over its examples where the metric has one; null when
   * there is neither.
   */
  readonly interval: readonly [low: number, high: number] | null;
  /** Sample standard deviation of the measurements; null for a single one. */
  readonly deviation: number | null;
  /** How many measurements it is the mean of: seeds times draws. */
  readonly measurements: number;
}

/** One metric of one evaluation of a phase: a column of the results. */
export interface ScoreColumn {
  readonly phase: string;
  /** E.g. `test`, or `own labels`. */
  readonly evaluation: string;
  /** Why its numbers do not measure what they seem to; null for numbers to read. */
  readonly caveat: string | null;
  readonly protocol: string;
  readonly metric: RecordedMetric;
}

/** One row of the results: a method at a learning rate on a backbone and a backend, over all seeds that are done. */
export interface SummaryRow {
  /** Names the preset, where there is one. */
  readonly label: string;
  readonly method: string;
  readonly preset: string | null;
  /** By phase, of its training; null in records of before it was kept. */
  readonly learningRates: Readonly<Record<string, number | null>>;
  /** Ids of the cells that it is made of, in the order of `seeds`. */
  readonly cells: readonly string[];
  /** How the learning rate was chosen, by the first seed's record; null where the configuration gives it. */
  readonly search: SearchRecord | null;
  readonly model: string;
  readonly backend: string;
  readonly device: string;
  readonly seeds: readonly number[];
  /** trainable / (backbone + trainable), in [0, 1]. */
  readonly tunedShare: number;
  readonly scores: readonly (ScoreColumn & { readonly estimate: Estimate | null })[];
  /** Mean of the debiased CKA between different layers; null where it was not asked for. */
  readonly meanCka: Estimate | null;
  /** Of the steps of the first phase's training, without the pass that computed kept features. */
  readonly imagesPerSecond: Estimate;
  /**
   * Of the passes that computed the features kept for that training. A pass is one measurement, however many
   * seeds use what it gave. Null where no features were kept.
   */
  readonly featuresImagesPerSecond: Estimate | null;
  /** The largest over the seeds. */
  readonly peakMemoryBytes: number;
  readonly findings: Readonly<Record<Finding['severity'], number>>;
}

/** What makes records rows of their own: everything of a cell but its seed. */
function keyOf({ cell }: Pick<DoneRecord, 'cell'>): string {
  const { label, model, backend, device, learningRate } = cell;
  return JSON.stringify([label, model, backend, device, learningRate]);
}

/** The rows of some records, in the records' order. */
export function summarize(records: readonly DoneRecord[]): SummaryRow[] {
  const groups = new Map<string, [DoneRecord, ...DoneRecord[]]>();
  for (const record of records) {
    const key = keyOf(record);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [record]);
    else group.push(record);
  }
  return [...groups.values()].map(summarizeGroup);
}

/** The columns of some records: every metric of every evaluation, in the order of phases. */
export function scoreColumns(records: readonly DoneRecord[]): ScoreColumn[] {
  const columns = new Map<string, ScoreColumn>();
  for (const { phases } of records) {
    for (const phase of phases) {
      for (const evaluation of phase.draws[0]!.evaluations) {
        for (const metric of phase.metrics) {
          const key = JSON.stringify([phase.name, evaluation.name, metric.key]);
          if (columns.has(key)) continue;
          columns.set(key, {
            phase: phase.name,
            evaluation: evaluation.name,
            caveat: evaluation.caveat,
            protocol: phase.protocol.name,
            metric,
          });
        }
      }
    }
  }
  return [...columns.values()];
}

/** A column's value over some records; null where none has it. */
export function estimateColumn(records: readonly DoneRecord[], column: ScoreColumn): Estimate | null {
  const { metric } = column;
  const found = records
    .flatMap(({ phases }) => phases.filter(({ name }) => name === column.phase))
    .flatMap(({ draws }) => draws)
    .flatMap(({ evaluations }) => evaluations.filter(({ name }) => name === column.evaluation))
    .flatMap(({ values, intervals }) => {
      const value = values[metric.key];
      return value === undefined || value === null ? [] : [{ value, interval: intervals[metric.key] }];
    });
  const [first] = found;
  if (first === undefined) return null;
  if (found.length === 1)
    return { value: first.value, interval: first.interval ?? null, deviation: null, measurements: 1 };
  return estimate(
    found.map(({ value }) => value),
    metric.range,
  );
}

function summarizeGroup(records: readonly [DoneRecord, ...DoneRecord[]]): SummaryRow {
  const [first] = records;
  const similarities = records
    .flatMap(({ analyses }) => ckaResultSchema.safeParse(analyses['cka']).data ?? [])
    .map(({ debiased }) => meanBetweenLayers(debiased))
    .filter((mean) => mean !== null);
  const trainings = records.flatMap(({ phases }) => phases[0]!.draws[0]!.training ?? []);
  const passes = new Map(
    trainings.flatMap(({ cache }) => (cache ? [[JSON.stringify(cache.pass), cache.pass] as const] : [])),
  );
  return {
    label: first.cell.label,
    method: first.cell.method,
    preset: first.config.methods.find(({ label }) => label === first.cell.label)?.preset ?? null,
    learningRates: Object.fromEntries(
      first.phases.map(({ name, draws }) => [name, draws[0]!.training?.learningRate ?? null]),
    ),
    search: first.search,
    model: first.cell.model,
    backend: first.cell.backend,
    device: first.cell.device,
    cells: records.map(({ cell }) => cell.id),
    seeds: records.map(({ cell }) => cell.seed),
    tunedShare: first.model.share,
    scores: scoreColumns(records).map((column) => ({ ...column, estimate: estimateColumn(records, column) })),
    meanCka: similarities.length === 0 ? null : estimate(similarities),
    imagesPerSecond: estimate(
      trainings.map(({ imagesPerSecond }) => imagesPerSecond),
      [0, null],
    ),
    featuresImagesPerSecond:
      passes.size === 0
        ? null
        : estimate(
            [...passes.values()].map(({ imagesPerSecond }) => imagesPerSecond),
            [0, null],
          ),
    peakMemoryBytes: Math.max(...records.map(({ peakMemoryBytes }) => peakMemoryBytes)),
    findings: countFindings(records),
  };
}

/** The mean with its interval, which stays inside what is possible. */
export function estimate(
  values: readonly number[],
  [least, most]: readonly [number | null, number | null] = [null, null],
): Estimate {
  const range = [least ?? Number.NEGATIVE_INFINITY, most ?? Number.POSITIVE_INFINITY] as const;
  // A plugin's metric may break its own range; a wrong range is no reason to show no results at all.
  const holds = values.every((value) => range[0] <= value && value <= range[1]);
  const interval = meanConfidenceInterval(values, holds ? { range } : {});
  return {
    value: sampleMean(values),
    interval: interval && [interval.low, interval.high],
    deviation: sampleStandardDeviation(values),
    measurements: values.length,
  };
}

/** Null when no pair of layers has a value. */
function meanBetweenLayers(matrix: readonly (readonly (number | null)[])[]): number | null {
  const values = matrix.flatMap((row, i) => row.filter((value, j) => j > i && value !== null)) as number[];
  return values.length === 0 ? null : sampleMean(values);
}

/** Each distinct finding counts once, however many seeds show it. */
function countFindings(records: readonly DoneRecord[]): SummaryRow['findings'] {
  const seen = new Map<string, Finding['severity']>();
  for (const { findings } of records) {
    for (const { code, where, severity } of findings) seen.set(`${code} ${where}`, severity);
  }
  const count = (severity: Finding['severity']) =>
    [...seen.values()].filter((one) => one === severity).length;
  return { error: count('error'), warning: count('warning'), info: count('info') };
}
