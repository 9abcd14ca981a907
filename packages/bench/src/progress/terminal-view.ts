import { createLogUpdate } from 'log-update';
import { PhaseClock } from './phase-clock.js';
import { cellTitle, endText, stepText } from './progress-text.js';
import type { ProgressView, StartedCell } from './progress-view.js';

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
      show(`${title()}: starting`);
    },
    progress(event) {
      switch (event.kind) {
        case 'phase':
          show(`${title()}: ${event.phase}`);
          return;
        case 'step':
          show(`${title()}: ${event.phase} ${stepText(event, clock.secondsLeft(event))}`);
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
