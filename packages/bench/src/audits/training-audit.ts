import type { HostTensor } from '@kora-bench/core/graph';
import type { ParameterLayout } from '@kora-bench/core/training';
import { splitFlat } from '@kora-bench/core/training';
import type {
  StepOutput,
  TrainingEnded,
  TrainingStarted,
  TrainingStep,
  TrainObserver,
} from '@kora-bench/trainer';
import type { FindingLog } from './data-audit.js';

/**
 * Watches which parameters gradients reach: from the program itself (no path from the loss), and from
 * the gradients of a few steps (always zero); and whether the batch had to be worked on in parts.
 */
export class TrainingAudit implements TrainObserver {
  readonly #findings: FindingLog;
  readonly #batchSize: number;
  readonly #still = new Set<string>();
  #silent = new Set<string>();
  #started!: TrainingStarted;
  #deadStart = false;
  #sampled = 0;

  constructor(findings: FindingLog, batchSize: number) {
    this.#findings = findings;
    this.#batchSize = batchSize;
  }

  started(training: TrainingStarted): void {
    this.#started = training;
    this.#silent = new Set(training.layout.entries.map(({ name }) => name));
    const uncounted = new Set(training.parameters.flatMap((p) => (p.uncounted ? [p.name] : [])));
    const hidden = training.layout.entries.filter(({ name }) => uncounted.has(name)).map(({ name }) => name);
    if (hidden.length === 0) return;
    this.#findings.add({
      severity: 'error',
      code: 'TRAINED_NOT_COUNTED',
      where: training.name,
      message: 'Parameters train, but the method leaves them out of its count.',
      evidence: { parameters: hidden, elements: this.#elements(hidden) },
    });
  }

  /** The gradients of the first three steps and of the last. */
  wants(step: number, totalSteps: number): readonly StepOutput[] {
    return step < 3 || step === totalSteps - 1 ? ['gradients'] : [];
  }

  stepped({ step, totalSteps, outputs }: TrainingStep): void {
    const { gradients } = outputs;
    if (gradients !== undefined && this.wants(step, totalSteps).length > 0) this.#sample(gradients);
  }

  ended({ before, after, memory }: TrainingEnded): void {
    const old = splitFlat(before, this.#layout);
    for (const [name, { data }] of splitFlat(after, this.#layout)) {
      const start = old.get(name)!.data;
      if (data.every((value, i) => value === start[i])) this.#still.add(name);
    }
    this.#report();
    if (memory === undefined || memory.parts === 1) return;
    this.#findings.add({
      severity: 'info',
      code: 'BATCH_SPLIT',
      where: this.#started.name,
      message: `A batch of ${this.#batchSize} did not fit the memory of the device: each step works on it in ${memory.parts} parts and adds up their gradients.`,
      evidence: { ...memory },
    });
  }

  get #layout(): ParameterLayout {
    return this.#started.layout;
  }

  #sample(gradients: HostTensor): void {
    const method = new Set(
      this.#started.parameters.filter(({ owner }) => owner === 'method').map(({ name }) => name),
    );
    let reached = 0;
    let own = 0;
    for (const [name, { data }] of splitFlat(gradients, this.#layout)) {
      const alive = data.some((value) => value !== 0);
      if (alive) this.#silent.delete(name);
      if (method.has(name)) {
        own++;
        if (alive) reached++;
      }
    }
    if (this.#sampled === 0 && own > 0 && reached === 0) this.#deadStart = true;
    this.#sampled++;
  }

  #report(): void {
    const { name: where, unreached } = this.#started;
    if (unreached.length > 0) {
      this.#findings.add({
        severity: 'warning',
        code: 'UNUSED_PARAMETERS',
        where,
        message: 'Parameters are counted and updated, but the loss does not depend on them.',
        evidence: { parameters: unreached, elements: this.#elements(unreached) },
      });
    }
    const silent = [...this.#silent].filter((name) => !unreached.includes(name));
    // One step proves nothing: beside a zero-initialised factor, as in LoRA, the other one's first gradient is 0.
    if (silent.length > 0 && this.#sampled > 1) {
      this.#findings.add({
        severity: 'error',
        code: 'NO_GRADIENT',
        where,
        message: 'The gradient of these parameters was zero in every sampled step.',
        evidence: { parameters: silent, sampledSteps: this.#sampled },
      });
    }
    const still = [...this.#still].filter((name) => !unreached.includes(name));
    if (still.length > 0) {
      this.#findings.add({
        severity: 'error',
        code: 'NEVER_CHANGED',
        where,
        message: 'These parameters ended with the values that they started with.',
        evidence: { parameters: still },
      });
    }
    if (this.#deadStart) {
      this.#findings.add({
        severity: 'error',
        code: 'DEAD_START',
        where,
        message: 'All gradients of the method’s own parameters are zero at the first step.',
        evidence: { sampledSteps: this.#sampled },
      });
    }
  }

  #elements(names: readonly string[]): number {
    const wanted = new Set(names);
    return this.#layout.entries.reduce((sum, { name, size }) => (wanted.has(name) ? sum + size : sum), 0);
  }
}
