import type { Metric, Task } from '@kora-bench/core/training';
import { primaryMetric } from '@kora-bench/core/training';
import type { Evaluation } from '@kora-bench/trainer';

/*
 * A phase that trains nothing scores a later model under an earlier phase's head, on that phase's own data. What its
 * primary metric has lost since then is what the training in between made the model forget.
 */

const key = 'forgetting';

/**
 * The metrics of a phase: its task's or, where it trains nothing, those and what was forgotten, by which it is judged.
 * @param headOf the phase whose head it uses
 */
export function metricsOfPhase(task: Task, headOf: string | undefined): readonly Metric[] {
  if (headOf === undefined) return task.metrics;
  return [...task.metrics.map((metric) => ({ ...metric, primary: false })), forgettingMetric(task, headOf)];
}

/** How much worse a task's primary metric is than in the phase whose head is used. */
function forgettingMetric(task: Task, headOf: string): Metric {
  const primary = primaryMetric(task.metrics);
  const { range, scores, label, unit, format } = primary;
  const width = range[1] - range[0];
  return {
    key,
    label: 'forgetting',
    unit,
    direction: 'lower',
    format,
    range: [-width, width],
    interval: 'none',
    primary: true,
    shown: 'table',
    description: `How much worse the ${label} is than it was in the phase ${headOf}, on the same examples; below 0 it is better.`,
    ...(scores?.pooledAs === 'mean' && { scores: { score: key, pooledAs: 'mean' } }),
  };
}

/** An evaluation with what was forgotten since an earlier one of the same examples. */
export function withForgetting(task: Task, now: Evaluation, before: Evaluation): Evaluation {
  const { key: metric, direction, scores } = primaryMetric(task.metrics);
  const worse = (then: number, since: number) => (direction === 'higher' ? then - since : since - then);
  const [then, since] = [before.values[metric], now.values[metric]];
  const column = scores?.pooledAs === 'mean' ? scores.score : undefined;
  const [scoresThen, scoresSince] = column === undefined ? [] : [before.scores[column], now.scores[column]];
  return {
    ...now,
    values: {
      ...now.values,
      [key]: typeof then !== 'number' || typeof since !== 'number' ? null : worse(then, since),
    },
    scores: {
      ...now.scores,
      ...(scoresThen &&
        scoresSince && { [key]: scoresSince.map((value, i) => worse(scoresThen[i]!, value)) }),
    },
  };
}
