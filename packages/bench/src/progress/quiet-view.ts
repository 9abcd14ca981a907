import { PhaseClock } from './phase-clock.js';
import { cellTitle, duration, endText, stepText } from './progress-text.js';
import type { ProgressView, StartedCell } from './progress-view.js';

export interface QuietOptions {
  /** The least time between two lines on one phase, milliseconds. */
  readonly intervalMs?: number;
  /** Milliseconds of a clock that never goes back. */
  now?(): number;
}

/** Whole lines for logs: when a phase starts and ends, and a sign of life now and then. */
export function quietView(
  write: (line: string) => void,
  { intervalMs = 10_000, now = () => performance.now() }: QuietOptions = {},
): ProgressView {
  const clock = new PhaseClock(now);
  let started: StartedCell | undefined;
  let phase: { readonly name: string; readonly since: number } | undefined;
  let last = 0;
  const line = (text: string) => {
    last = now();
    write(`${started === undefined ? '' : `${cellTitle(started)}: `}${text}`);
  };
  const endPhase = () => {
    if (phase !== undefined) line(`${phase.name}: done in ${duration((now() - phase.since) / 1000)}`);
    phase = undefined;
  };
  return {
    cellStarted(next) {
      started = next;
      line('starting');
    },
    progress(event) {
      switch (event.kind) {
        case 'phase':
          endPhase();
          phase = { name: event.phase, since: now() };
          line(`${event.phase}: ${event.totalSteps} steps`);
          return;
        case 'step': {
          const left = clock.secondsLeft(event);
          if (now() - last >= intervalMs) line(`${event.phase}: ${stepText(event, left)}`);
          return;
        }
        case 'message':
          line(event.text);
      }
    },
    cellEnded(record) {
      if (record.status === 'done') endPhase();
      phase = undefined;
      line(endText(record));
    },
    close: () => {},
  };
}
