import { formatMetric, primaryMetric } from '@kora-bench/core/training';
import type { ProgressEvent } from '@kora-bench/trainer';
import { createLogUpdate } from 'log-update';
import { duration } from '../input/duration.js';
import type { Cell, CellRecord, DoneRecord } from '../records/record-schema.js';
import { cellName } from '../records/record-schema.js';
import { rate } from '../table/text-table.js';
import { PhaseClock } from './pace.js';

export interface StartedCell {
  readonly cell: Cell;
  /** From 1. */
  readonly number: number;
  readonly of: number;
  /** Whether the run has more than one backbone, so that titles name it. */
  readonly severalModels?: boolean;
  /** Until the end of the run; undefined when there is nothing to go by yet. */
  secondsLeft?(): number | undefined;
}

/** Shows how a run goes. */
export interface ProgressView {
  cellStarted(started: StartedCell): void;
  progress(event: ProgressEvent): void;
  cellEnded(record: CellRecord): void;
  /** Leaves the terminal as it should be. */
  close(): void;
}

/** A live line in a terminal; whole lines in CI, in a file and in a terminal that cannot move its cursor. */
export function chooseView(
  stream: NodeJS.WriteStream = process.stderr,
  environment: NodeJS.ProcessEnv = process.env,
): ProgressView {
  const inCi = environment.CI !== undefined && environment.CI !== '' && environment.CI !== 'false';
  if (stream.isTTY && !inCi && environment.TERM !== 'dumb') {
    return terminalView(stream);
  }
  return quietView((line) => stream.write(`${line}\n`));
}

export interface QuietOptions {
  /** The least time between two lines on one cell's phases, milliseconds. */
  readonly intervalMs?: number;
  /** Milliseconds of a clock that never goes back. */
  now?(): number;
}

/** Whole lines for logs: when a cell starts and ends, and in between a sign of life now and then. */
export function quietView(
  write: (line: string) => void,
  { intervalMs = 10_000, now = () => performance.now() }: QuietOptions = {},
): ProgressView {
  const clock = new PhaseClock(now);
  let started: StartedCell | undefined;
  let last = 0;
  const line = (text: string) => {
    last = now();
    write(`${started === undefined ? '' : `${cellTitle(started)}: `}${text}`);
  };
  const nowAndThen = (text: () => string) => {
    if (now() - last >= intervalMs) line(text());
  };
  return {
    cellStarted(next) {
      started = next;
      line(`starting${runLeft(next)}`);
    },
    progress(event) {
      switch (event.kind) {
        case 'phase':
          nowAndThen(() => `${event.phase}: ${event.totalSteps} steps`);
          return;
        case 'step': {
          const left = clock.secondsLeft(event);
          nowAndThen(() => `${event.phase}: ${stepText(event, left)}${runLeft(started)}`);
          return;
        }
        case 'message':
          line(event.text);
      }
    },
    cellEnded: (record) => line(endText(record)),
    close: () => {},
  };
}

/** One live line for the running cell, and one lasting line for each that ended. */
export function terminalView(stream: NodeJS.WriteStream): ProgressView {
  const live = createLogUpdate(stream);
  const clock = new PhaseClock();
  const columns = () => stream.columns ?? 80;
  let started: StartedCell | undefined;
  const show = (text: string) => live(fitted(text, columns()));
  const title = () => (started === undefined ? '' : cellTitle(started));
  const keep = (text: string) => {
    live.clear();
    stream.write(`${text}\n`);
  };
  return {
    cellStarted(next) {
      started = next;
      show(`${title()}: starting${runLeft(next)}`);
    },
    progress(event) {
      switch (event.kind) {
        case 'phase':
          show(`${title()}: ${event.phase}`);
          return;
        case 'step':
          show(`${title()}: ${event.phase} ${stepText(event, clock.secondsLeft(event))}${runLeft(started)}`);
          return;
        case 'message':
          keep(`${title()}: ${event.text}`);
      }
    },
    cellEnded: (record) => keep(`${record.status === 'done' ? '✓' : '✗'} ${title()}: ${endText(record)}`),
    close: () => live.done(),
  };
}

/** A line that wraps could not be replaced in place. */
function fitted(text: string, columns: number): string {
  return text.length < columns ? text : `${text.slice(0, Math.max(1, columns - 2))}…`;
}

/** `; run: 12 min 30 s left`; nothing where that is not known. */
function runLeft(started: StartedCell | undefined): string {
  const seconds = started?.secondsLeft?.();
  return seconds === undefined ? '' : `; run: ${duration(seconds)} left`;
}

/** `[3/7] lora, seed 1`. */
export function cellTitle({ cell, number, of, severalModels = false }: StartedCell): string {
  return `[${number}/${of}] ${cellName(cell, severalModels)}`;
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
function primaryText(phase: DoneRecord['phases'][number]): string[] {
  const metric = primaryMetric(phase.metrics);
  const value = phase.draws[0]?.evaluations[0]?.values[metric.key];
  if (value === undefined || value === null) return [];
  return [`${phase.name} ${metric.label} ${formatMetric(metric, value)} ${metric.unit}`.trimEnd()];
}
