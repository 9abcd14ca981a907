import type { HostTensor, OwnedParameter, ParameterLayout } from '@kora-bench/core';
import { splitFlat } from '@kora-bench/core';
import type { FindingLog } from './finding-log.js';

/**
 * Watches which parameters gradients reach: from the program itself (no path from the loss), and from
 * the gradients of a few steps (always zero).
 */
export class GradientAudit {
  readonly #silent: Set<string>;
  readonly #still = new Set<string>();
  #deadStart = false;
  #sampled = 0;

  constructor(
    private readonly layout: ParameterLayout,
    private readonly parameters: readonly OwnedParameter[],
    private readonly unreached: readonly string[],
    private readonly phase: string,
  ) {
    this.#silent = new Set(layout.entries.map(({ name }) => name));
  }

  /** Whether this step's gradients are wanted: the first three and the last. */
  samples(step: number, totalSteps: number): boolean {
    return step < 3 || step === totalSteps - 1;
  }

  sample(gradients: HostTensor): void {
    const method = new Set(this.parameters.filter(({ owner }) => owner === 'method').map(({ name }) => name));
    let reached = 0;
    let own = 0;
    for (const [name, { data }] of splitFlat(gradients, this.layout)) {
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

  /** Compares the parameters before and after the phase. */
  compare(before: HostTensor, after: HostTensor): void {
    const old = splitFlat(before, this.layout);
    for (const [name, { data }] of splitFlat(after, this.layout)) {
      const start = old.get(name)!.data;
      if (data.every((value, i) => value === start[i])) this.#still.add(name);
    }
  }

  report(findings: FindingLog): void {
    const unused = this.unreached;
    if (unused.length > 0) {
      findings.add(
        'warning',
        'UNUSED_PARAMETERS',
        this.phase,
        'Parameters are counted and updated, but the loss does not depend on them.',
        {
          parameters: unused,
          elements: this.#elements(unused),
        },
      );
    }
    const silent = [...this.#silent].filter((name) => !unused.includes(name));
    // One step proves nothing: beside a zero-initialised factor, as in LoRA, the other one's first gradient is 0.
    if (silent.length > 0 && this.#sampled > 1) {
      findings.add(
        'error',
        'NO_GRADIENT',
        this.phase,
        'The gradient of these parameters was zero in every sampled step.',
        {
          parameters: silent,
          sampledSteps: this.#sampled,
        },
      );
    }
    const still = [...this.#still].filter((name) => !unused.includes(name));
    if (still.length > 0) {
      findings.add(
        'error',
        'NEVER_CHANGED',
        this.phase,
        'These parameters ended with the values that they started with.',
        { parameters: still },
      );
    }
    if (this.#deadStart) {
      findings.add(
        'error',
        'DEAD_START',
        this.phase,
        'All gradients of the method’s own parameters are zero at the first step.',
        {
          sampledSteps: this.#sampled,
        },
      );
    }
  }

  #elements(names: readonly string[]): number {
    const wanted = new Set(names);
    return this.layout.entries.reduce((sum, { name, size }) => (wanted.has(name) ? sum + size : sum), 0);
  }
}
