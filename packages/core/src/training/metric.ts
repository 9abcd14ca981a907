/*
 * Metrics are data: a task says what it measures and how a reader should see it, and tables, reports and
 * comparisons render that without knowing any task.
 */

/** Which scores of single examples a metric comes from, so that two models can be compared on the same examples. */
export interface MetricScores {
  /** Name of the score, as the task's evaluator gives it; a larger one is better where a larger metric is. */
  readonly score: string;
  /**
   * The metric is the scores' `mean`, the root of it (`root-mean`, of squared errors), or the root of the mean of their
   * squares (`root-mean-square`); `related` where the scores only tell which of two models does better on an example.
   */
  readonly pooledAs: 'mean' | 'root-mean' | 'root-mean-square' | 'related';
  /** Name of the score that says what each example counts, e.g. its measured pixels; all alike by default. */
  readonly weight?: string | undefined;
}

export interface Metric {
  /** Name of the value in records, e.g. `top1`. */
  readonly key: string;
  /** Heading in tables, e.g. `top-1`. */
  readonly label: string;
  /** Unit of the shown number: `%`, `m`; empty for pure numbers. */
  readonly unit: string;
  /** Which way is better. */
  readonly direction: 'higher' | 'lower';
  /** How a value is shown: multiplied by `scale`, with `digits` decimals. */
  readonly format: { readonly scale: number; readonly digits: number };
  /** The values that are possible, in the unit of records; intervals stay inside. */
  readonly range: readonly [low: number, high: number];
  /** The 95 % interval that an evaluation gives over its examples; `none` where it gives none. */
  readonly interval: 'wilson' | 'none';
  /** The one metric that a task is judged by. */
  readonly primary: boolean;
  /** `table`: shown wherever results are; `report`: in the full report alone. */
  readonly shown: 'table' | 'report';
  /** How it is defined, with its source, for people. */
  readonly description: string;
  /** The scores behind it; a metric without any is compared by its value alone. */
  readonly scores?: MetricScores | undefined;
}

const endless = Number.POSITIVE_INFINITY;

type MetricOptions = Pick<Metric, 'key' | 'label' | 'description'> & Partial<Metric>;

/** A share in [0, 1], shown in percent; higher is better unless said otherwise. */
export function shareMetric(options: MetricOptions): Metric {
  return {
    unit: '%',
    direction: 'higher',
    format: { scale: 100, digits: 1 },
    range: [0, 1],
    interval: 'none',
    primary: false,
    shown: 'report',
    ...options,
  };
}

/** A number from 0 up, shown with three decimals; lower is better unless said otherwise. */
export function errorMetric(options: MetricOptions): Metric {
  return {
    unit: '',
    direction: 'lower',
    format: { scale: 1, digits: 3 },
    range: [0, endless],
    interval: 'none',
    primary: false,
    shown: 'report',
    ...options,
  };
}

/** The metric that a task is judged by: the one marked so, else the first. */
export function primaryMetric<M extends Pick<Metric, 'primary'>>(metrics: readonly M[]): M {
  return metrics.find(({ primary }) => primary) ?? metrics[0]!;
}

/** A value as it is shown, without its unit. */
export function formatMetric({ format }: Pick<Metric, 'format'>, value: number): string {
  return (value * format.scale).toFixed(format.digits);
}
