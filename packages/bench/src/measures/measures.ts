import type { Direction } from '@kora-bench/comparison';
import type { ProgramMemory } from '@kora-bench/core/backend';
import { primaryMetric } from '@kora-bench/core/training';
import type { PhaseRecord, RecordedMetric } from '../records/phase-record-schema.js';
import type { CellRecord, DoneRecord } from '../records/record-schema.js';
import type { ThroughputCell } from '../throughput/measure-throughput.js';

/**
 * What kind of number a measure is, which decides how two of them are compared: `quality` by the scores of examples,
 * `count` exactly, `sample` as one measurement among several of a machine.
 */
export type MeasureKind = 'quality' | 'count' | 'sample';

/** One number of a cell that can be compared with the same of another run. */
export interface Measure {
  /** Unique in the cell and stable, e.g. `source/test/top1`, `source/flopsPerStep`, `peakMemoryBytes`. */
  readonly key: string;
  readonly kind: MeasureKind;
  readonly phase: string | null;
  /** How a reader calls it, e.g. `source top-1`. */
  readonly title: string;
  readonly unit: string;
  readonly direction: Direction;
  /** How it is shown: multiplied by `scale`, with `digits` decimals. */
  readonly format: { readonly scale: number; readonly digits: number };
  /** Whether "worse" fails a gate. */
  readonly gating: boolean;
  readonly value: number;
  /** 95 %, over the examples; null where there is none. */
  readonly interval: readonly [low: number, high: number] | null;
  /** Examples that it is of; null where it is of none. */
  readonly examples: number | null;
  /** Whether it is a share of examples. */
  readonly isShare: boolean;
  /** The least and the greatest value there can be; null where there is no bound. */
  readonly range: readonly [low: number | null, high: number | null];
  /** Of quality. */
  readonly metric: RecordedMetric | null;
  readonly evaluation: string | null;
}

/** All measures of a record. A failed cell has one alone: that it did not finish. */
export function measuresOf(record: CellRecord): Measure[] {
  if (record.status === 'failed') return [unfinished];
  const several = record.phases.length > 1;
  return [
    { ...unfinished, value: 1 },
    ...record.phases.flatMap((phase) => qualityOf(phase)),
    count({
      key: 'trainableParameters',
      title: 'trainable parameters',
      value: record.model.trainableParameters,
    }),
    ...record.phases.flatMap((phase) => costsOf(phase, several)),
    memoryOf(record),
  ];
}

function qualityOf(phase: PhaseRecord): Measure[] {
  const { name, metrics, draws } = phase;
  const primary = primaryMetric(metrics);
  return draws[0]!.evaluations.flatMap(({ name: evaluation, caveat }) =>
    metrics.flatMap((metric) => {
      const found = draws.flatMap(
        ({ evaluations }) => evaluations.find((one) => one.name === evaluation) ?? [],
      );
      const values = found.flatMap(({ values: { [metric.key]: value } }) => value ?? []);
      // A mean over some of the draws would compare other draws on the other side.
      if (values.length === 0 || values.length < draws.length) return [];
      return [
        {
          key: `${name}/${evaluation}/${metric.key}`,
          kind: 'quality' as const,
          phase: name,
          title: `${name} ${evaluation === 'test' ? '' : `${evaluation} `}${metric.label}`,
          unit: metric.unit,
          direction: metric.direction,
          format: metric.format,
          gating: metric === primary && caveat === null,
          value: values.reduce((sum, value) => sum + value, 0) / values.length,
          interval: values.length === 1 ? (found[0]!.intervals[metric.key] ?? null) : null,
          examples: found[0]!.examples,
          isShare: metric.interval === 'wilson',
          range: metric.range,
          metric,
          evaluation,
        },
      ];
    }),
  );
}

function costsOf({ name, draws }: PhaseRecord, several: boolean): Measure[] {
  const [{ training }] = draws as [PhaseRecord['draws'][number]];
  if (training === null) return [];
  const title = (what: string) => (several ? `${name} ${what}` : what);
  const rates = draws.flatMap((draw) => draw.training?.imagesPerSecond ?? []);
  const memory = training.deviceMemory;
  return [
    count({
      key: `${name}/flopsPerStep`,
      phase: name,
      title: title('FLOPs per step'),
      value: training.flopsPerStep,
    }),
    ...(memory === undefined
      ? []
      : [
          {
            ...deviceMemoryOf(`${name}/deviceMemoryBytes`, memory),
            phase: name,
            title: title('device memory, planned'),
          },
        ]),
    ...(training.dispatchesPerStep === undefined
      ? []
      : [
          {
            ...dispatchesOf(`${name}/dispatchesPerStep`, training.dispatchesPerStep),
            phase: name,
            title: title('dispatches per step'),
          },
        ]),
    {
      ...rateOf(
        `${name}/imagesPerSecond`,
        title('images/s'),
        rates.reduce((sum, rate) => sum + rate, 0) / rates.length,
      ),
      phase: name,
    },
  ];
}

function deviceMemoryOf(key: string, memory: ProgramMemory): Measure {
  return count({
    key,
    title: 'device memory, planned',
    unit: 'MB',
    format: { scale: 1e-6, digits: 1 },
    value: memory.plannedBytes + memory.weightBytes + memory.stateBytes,
  });
}

function dispatchesOf(key: string, value: number): Measure {
  return count({ key, title: 'dispatches per step', value });
}

/** Informs alone: rates of runs at different times. */
function rateOf(key: string, title: string, value: number): Measure {
  const format = { scale: 1, digits: 1 };
  return { ...count({ key, title, direction: 'higher', format, value }), kind: 'sample', gating: false };
}

/** What a measurement of throughput tells, where speed is what is compared and so may gate. */
export function measuresOfThroughput(
  {
    imagesPerSecond,
    peakMemoryBytes,
    deviceMemory,
    dispatches,
  }: Pick<ThroughputCell, 'imagesPerSecond' | 'peakMemoryBytes' | 'deviceMemory' | 'dispatches'>,
  { speedGates }: { readonly speedGates: boolean },
): Measure[] {
  return [
    { ...unfinished, value: 1 },
    { ...rateOf('imagesPerSecond', 'images/s', imagesPerSecond), gating: speedGates },
    memoryOf({ peakMemoryBytes }),
    ...(deviceMemory === undefined ? [] : [deviceMemoryOf('deviceMemoryBytes', deviceMemory)]),
    ...(dispatches === undefined ? [] : [dispatchesOf('dispatchesPerStep', dispatches)]),
  ];
}

/** What is left of a measurement that failed. */
export const unfinished: Measure = count({
  key: 'finished',
  title: 'finished',
  value: 0,
  direction: 'higher',
});

function memoryOf({ peakMemoryBytes }: Pick<DoneRecord, 'peakMemoryBytes'>): Measure {
  return {
    ...count({
      key: 'peakMemoryBytes',
      title: 'peak memory',
      unit: 'MB',
      format: { scale: 1e-6, digits: 0 },
      value: peakMemoryBytes,
    }),
    kind: 'sample',
  };
}

/** A gating number that is exact unless said otherwise, and better where it is lower. */
function count(of: Pick<Measure, 'key' | 'title' | 'value'> & Partial<Measure>): Measure {
  return {
    kind: 'count',
    phase: null,
    unit: '',
    direction: 'lower',
    format: { scale: 1, digits: 0 },
    gating: true,
    interval: null,
    examples: null,
    isShare: false,
    range: [0, null],
    metric: null,
    evaluation: null,
    ...of,
  };
}

/** A measure's value as it is shown, with its unit. */
export function measureText({ format, unit }: Pick<Measure, 'format' | 'unit'>, value: number): string {
  const text = (value * format.scale).toFixed(format.digits);
  return unit === '' ? text : `${text} ${unit}`;
}
