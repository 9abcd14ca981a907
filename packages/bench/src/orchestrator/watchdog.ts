import { readFileSync } from 'node:fs';

/** How long a process may take. */
export interface ProcessLimits {
  /** From one sign of life to the next, milliseconds. */
  readonly silenceMs?: number;
  /** Altogether, milliseconds. */
  readonly totalMs?: number;
}

/** Which limit a process went over. */
export interface Overdue {
  readonly limit: 'silence' | 'total';
  readonly milliseconds: number;
  /** Share of one core that it used since its last sign of life; null where that cannot be found out. */
  readonly load: number | null;
}

export interface WatchdogClock {
  /** Milliseconds of a clock that never goes back. */
  now(): number;
  /** Seconds of processor time that the process has used. */
  processorSeconds(): number | null;
}

/**
 * Watches a process from outside. A sign of life is a message on what it does, such as a step that is done: a timer
 * in it would go on beside work that never ends, and stop during a step that only takes long.
 */
export class Watchdog {
  readonly #limits: ProcessLimits;
  readonly #clock: WatchdogClock;
  #last: number;
  #silence = 0;
  #total = 0;
  #usedBefore: number | null;

  constructor(limits: ProcessLimits, clock: WatchdogClock) {
    this.#limits = limits;
    this.#clock = clock;
    this.#last = clock.now();
    this.#usedBefore = clock.processorSeconds();
  }

  /** Milliseconds between two calls of {@link check}: fine enough for the limits. */
  get interval(): number {
    const { silenceMs = Infinity, totalMs = Infinity } = this.#limits;
    return Math.min(1000, silenceMs / 4, totalMs / 4);
  }

  /** The process showed that it lives. */
  alive(): void {
    this.#silence = 0;
    this.#usedBefore = this.#clock.processorSeconds();
  }

  /** Counts the time since the last call. */
  check(): Overdue | undefined {
    const now = this.#clock.now();
    // Where this process itself stood still, as in a machine that slept, messages may be waiting to be read.
    const passed = Math.min(now - this.#last, 2 * this.interval);
    this.#last = now;
    this.#silence += passed;
    this.#total += passed;
    const { silenceMs = Infinity, totalMs = Infinity } = this.#limits;
    const overdue = (limit: Overdue['limit'], milliseconds: number): Overdue => {
      const used = this.#clock.processorSeconds();
      const load =
        used === null || this.#usedBefore === null
          ? null
          : (1000 * (used - this.#usedBefore)) / Math.max(1, this.#silence);
      return { limit, milliseconds, load };
    };
    if (this.#silence > silenceMs) return overdue('silence', silenceMs);
    if (this.#total > totalMs) return overdue('total', totalMs);
    return undefined;
  }
}

/** Linux counts processor time in hundredths of a second, whatever the kernel’s own clock is. */
const ticksPerSecond = 100;

/** Seconds of processor time that a process has used, in all its threads; null where the system does not tell. */
export function processorSeconds(pid: number | undefined): number | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond;
  } catch {
    return null;
  }
}
