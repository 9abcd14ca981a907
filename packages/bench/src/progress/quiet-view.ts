import { PhaseClock } from './phase-clock.js';
import { cellTitle, endText, stepText } from './progress-text.js';
import type { ProgressView, StartedCell } from './progress-view.js';

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
      line('starting');
    },
    progress(event) {
      switch (event.kind) {
        case 'phase':
          nowAndThen(() => `${event.phase}: ${event.totalSteps} steps`);
          return;
        case 'step': {
          const left = clock.secondsLeft(event);
          nowAndThen(() => `${event.phase}: ${stepText(event, left)}`);
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
