import type { Finding } from '../../records/record-schema.js';

/** Collects the findings of a cell; the same code at the same place is kept once. */
export class FindingLog {
  readonly #findings = new Map<string, Finding>();

  add(
    severity: Finding['severity'],
    code: string,
    where: string,
    message: string,
    evidence: Readonly<Record<string, unknown>> = {},
  ): void {
    const key = `${code}@${where}`;
    if (!this.#findings.has(key))
      this.#findings.set(key, { code, severity, where, message, evidence: { ...evidence } });
  }

  get all(): readonly Finding[] {
    return [...this.#findings.values()];
  }
}
