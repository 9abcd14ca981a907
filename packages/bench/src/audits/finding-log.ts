import type { Finding } from '../records/record-schema.js';

/** Collects the findings of a cell; the same code at the same place is kept once. */
export class FindingLog {
  readonly #findings = new Map<string, Finding>();

  add({
    evidence = {},
    ...finding
  }: Omit<Finding, 'evidence'> & { evidence?: Readonly<Record<string, unknown>> }): void {
    const key = `${finding.code}@${finding.where}`;
    if (!this.#findings.has(key)) this.#findings.set(key, { ...finding, evidence: { ...evidence } });
  }

  get all(): readonly Finding[] {
    return [...this.#findings.values()];
  }
}
