import { meanConfidenceInterval, sampleMean } from '@kora-bench/core';
import type { ProtocolName } from '../config/run-config.js';
import type { ClassificationResult, DoneRecord, Finding } from '../records/record-schema.js';

/** A measured value with its uncertainty. */
export interface Estimate {
  /** The value of the only seed, or the mean over seeds. */
  readonly value: number;
  /**
   * 95 %: over several seeds Student's t interval of their mean; for a proportion of one seed Wilson's
   * interval over the examples; null when there is neither.
   */
  readonly interval: readonly [low: number, high: number] | null;
}

/** One row of the results: a method on a backend, over all seeds that are done. */
export interface SummaryRow {
  readonly label: string;
  readonly method: string;
  readonly backend: string;
  readonly device: string;
  readonly seeds: readonly number[];
  /** trainable / (backbone + trainable), in [0, 1]. */
  readonly tunedShare: number;
  readonly top1: Estimate;
  readonly macroF1: Estimate;
  readonly transfer: readonly {
    readonly protocol: ProtocolName;
    readonly trueTop1: Estimate;
    /** On the labels that the protocol makes: the published kind of number, which does not measure transfer. */
    readonly protocolTop1: Estimate | null;
  }[];
  readonly depth: { readonly rmse: Estimate; readonly absRel: Estimate; readonly delta1: Estimate } | null;
  /** Mean of the debiased CKA between different blocks. */
  readonly meanCka: Estimate | null;
  readonly imagesPerSecond: Estimate;
  /** The largest over the seeds. */
  readonly peakMemoryBytes: number;
  readonly findings: Readonly<Record<Finding['severity'], number>>;
}

/** The rows of some records, in the records' order. */
export function summarize(records: readonly DoneRecord[]): SummaryRow[] {
  const groups = new Map<string, [DoneRecord, ...DoneRecord[]]>();
  for (const record of records) {
    const { label, backend, device } = record.cell;
    const key = JSON.stringify([label, backend, device]);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [record]);
    else group.push(record);
  }
  return [...groups.values()].map(summarizeGroup);
}

function summarizeGroup(records: readonly [DoneRecord, ...DoneRecord[]]): SummaryRow {
  const [first] = records;
  const over = (value: (record: DoneRecord) => number) => estimate(records.map(value));
  const depths = records.flatMap(({ depth }) => (depth === null ? [] : [depth.result]));
  const similarities = records
    .map(({ cka }) => meanBetweenLayers(cka.debiased))
    .filter((mean) => mean !== null);
  return {
    label: first.cell.label,
    method: first.cell.method,
    backend: first.cell.backend,
    device: first.cell.device,
    seeds: records.map(({ cell }) => cell.seed),
    tunedShare: first.model.share,
    top1: accuracy(records.map(({ source }) => source.result)),
    macroF1: over(({ source }) => source.result.macroF1),
    transfer: first.transfer.map(({ protocol }) => {
      const results = records.flatMap(({ transfer }) => transfer.filter((one) => one.protocol === protocol));
      const published = results.flatMap(({ protocolLabels }) => protocolLabels ?? []);
      return {
        protocol,
        trueTop1: accuracy(results.map(({ trueLabels }) => trueLabels)),
        protocolTop1: published.length === 0 ? null : accuracy(published),
      };
    }),
    depth:
      depths.length === 0
        ? null
        : {
            rmse: estimate(depths.map(({ rmse }) => rmse)),
            absRel: estimate(depths.map(({ absRel }) => absRel)),
            delta1: estimate(depths.map(({ delta1 }) => delta1)),
          },
    meanCka: similarities.length === 0 ? null : estimate(similarities),
    imagesPerSecond: over(({ source }) => source.training.imagesPerSecond),
    peakMemoryBytes: Math.max(...records.map(({ peakMemoryBytes }) => peakMemoryBytes)),
    findings: countFindings(records),
  };
}

function estimate(values: readonly number[]): Estimate {
  const interval = meanConfidenceInterval(values);
  return { value: sampleMean(values), interval: interval && [interval.low, interval.high] };
}

function accuracy(results: readonly ClassificationResult[]): Estimate {
  const only = results.length === 1 ? results[0] : undefined;
  return only === undefined
    ? estimate(results.map(({ top1 }) => top1))
    : { value: only.top1, interval: only.top1Interval };
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
