import type { ProgressEvent, ReportProgress } from '@kora-bench/trainer';

type Step = Extract<ProgressEvent, { kind: 'step' }>;

/** Estimates how long a phase still takes from the pace since its first step, which pays for compiling. */
export class PhaseClock {
  #phase = '';
  #firstStep = 0;
  #firstTime = 0;
  readonly #now: () => number;

  /** @param now milliseconds of a clock that never goes back */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** Seconds left in the phase, or undefined when there is nothing to go by yet. */
  secondsLeft({ phase, step, totalSteps }: Step): number | undefined {
    if (phase !== this.#phase) {
      this.#phase = phase;
      this.#firstStep = step;
      this.#firstTime = this.#now();
      return undefined;
    }
    const steps = step - this.#firstStep;
    if (steps <= 0) return undefined;
    return ((totalSteps - step) * (this.#now() - this.#firstTime)) / steps / 1000;
  }
}

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
