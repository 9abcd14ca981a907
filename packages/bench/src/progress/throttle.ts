import type { ProgressEvent, ReportProgress } from '@kora-bench/trainer';

/**
 * Passes on at most one step event per `intervalMs`, and every other event and last step. A step without
 * a loss of its own carries the last one of its phase.
 */
export function throttleSteps(report: ReportProgress, intervalMs = 100): ReportProgress {
  let last = -Infinity;
  let loss: number | null = null;
  return (event: ProgressEvent) => {
    if (event.kind !== 'step') {
      if (event.kind === 'phase') loss = null;
      report(event);
      return;
    }
    loss = event.loss ?? loss;
    const now = performance.now();
    if (event.step < event.totalSteps && now - last < intervalMs) return;
    last = now;
    report({ ...event, loss });
  };
}
