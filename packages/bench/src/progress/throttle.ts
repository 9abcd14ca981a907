import type { ProgressEvent, ReportProgress } from './progress-event.js';

/** Passes on at most one step event per `intervalMs`, and every other event and last step. */
export function throttleSteps(report: ReportProgress, intervalMs = 100): ReportProgress {
  let last = -Infinity;
  return (event: ProgressEvent) => {
    const now = performance.now();
    if (event.kind === 'step' && event.step < event.totalSteps && now - last < intervalMs) return;
    last = now;
    report(event);
  };
}
