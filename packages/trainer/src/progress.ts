/** What is reported while something trains or is evaluated. */
export type ProgressEvent =
  | { readonly kind: 'phase'; readonly phase: string; readonly totalSteps: number }
  | {
      readonly kind: 'step';
      readonly phase: string;
      /** Steps done, and how many there are in this phase. */
      readonly step: number;
      readonly totalSteps: number;
      readonly loss: number | null;
      readonly imagesPerSecond: number;
    }
  | { readonly kind: 'message'; readonly text: string };

export type ReportProgress = (event: ProgressEvent) => void;

/** Reports the steps of one pass over images. */
export class PassProgress {
  readonly #report: ReportProgress;
  readonly #phase: string;
  readonly #totalSteps: number;
  readonly #started = performance.now();
  #step = 0;
  #images = 0;

  constructor(report: ReportProgress, phase: string, totalSteps: number) {
    this.#report = report;
    this.#phase = phase;
    this.#totalSteps = totalSteps;
    report({ kind: 'phase', phase, totalSteps });
  }

  /** Images so far. */
  get images(): number {
    return this.#images;
  }

  /** Wall-clock time so far, seconds. */
  get seconds(): number {
    return (performance.now() - this.#started) / 1000;
  }

  /** Tells of one more step over `images` images. */
  step(images: number, loss: number | null = null): void {
    this.#step++;
    this.#images += images;
    this.#report({
      kind: 'step',
      phase: this.#phase,
      step: this.#step,
      totalSteps: this.#totalSteps,
      loss,
      imagesPerSecond: this.#images / this.seconds,
    });
  }
}
