import type { ProgressEvent } from '@kora-bench/trainer';
import type { CellRecord, DoneRecord } from '../records/record-schema.js';
import type { StartedCell } from './progress-view.js';

/** `4 s`, `2 min 05 s`, `1 h 03 min`. */
export function duration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  const two = (value: number) => String(value).padStart(2, '0');
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${two(whole % 60)} s`;
  return `${Math.floor(whole / 3600)} h ${two(Math.floor((whole % 3600) / 60))} min`;
}

/** A rate with about three digits. */
export function rate(value: number): string {
  return value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2);
}

/** `[3/7] lora, seed 1`. */
export function cellTitle({ cell, number, of }: StartedCell): string {
  return `[${number}/${of}] ${cell.label} on ${cell.backend}:${cell.device}, seed ${cell.seed}`;
}

/** `step 12/96, loss 2.3102, 812 images/s, 14 s left`. */
export function stepText(
  event: Extract<ProgressEvent, { kind: 'step' }>,
  secondsLeft: number | undefined,
): string {
  const parts = [`step ${event.step}/${event.totalSteps}`];
  if (event.loss !== null) parts.push(`loss ${event.loss.toPrecision(4)}`);
  if (event.imagesPerSecond > 0) parts.push(`${rate(event.imagesPerSecond)} images/s`);
  if (secondsLeft !== undefined) parts.push(`${duration(secondsLeft)} left`);
  return parts.join(', ');
}

/** One line on how a cell ended. */
export function endText(record: CellRecord): string {
  const seconds = (Date.parse(record.finishedAt) - Date.parse(record.startedAt)) / 1000;
  if (record.status === 'failed') {
    return `failed after ${duration(seconds)}: ${record.error.code}: ${record.error.message}`;
  }
  return [`done in ${duration(seconds)}`, ...record.phases.flatMap(primaryText)].join(', ');
}

/** `source top-1 61.2 %`; nothing for a phase that is not scored. */
function primaryText({ name, metrics, draws }: DoneRecord['phases'][number]): string[] {
  const metric = metrics.find(({ primary }) => primary) ?? metrics[0];
  const value = metric && draws[0]?.evaluations[0]?.values[metric.key];
  if (metric === undefined || value === undefined || value === null) return [];
  const { scale, digits } = metric.format;
  return [`${name} ${metric.label} ${(value * scale).toFixed(digits)} ${metric.unit}`.trimEnd()];
}
