import type { PhaseConfig } from '../config/run-config.js';
import { phaseLabel } from '../phases/resolve-phases.js';
import type { Finding } from '../records/phase-record-schema.js';
import type { DoneRecord } from '../records/record-schema.js';
import type { PublishedColumn } from './published-schema.js';

/** What explains a published number: a finding of the run’s audits, or a note of the table’s own. */
export interface Remark {
  /** What stands beside the numbers that it is about: `1`. */
  readonly mark: string;
  /** Of the finding; null for a note. */
  readonly code: string | null;
  /** Where it was found. */
  readonly where: readonly string[];
  readonly message: string;
}

/** The remarks of a table, each once, numbered in the order of the lines. */
export class RemarkList {
  readonly #remarks = new Map<string, Remark & { readonly where: string[] }>();
  readonly #labels: ReadonlyMap<string, string>;

  constructor(phases: readonly PhaseConfig[]) {
    const names = phases.map(({ name }) => name);
    this.#labels = new Map(phases.map((phase) => [phase.name, phaseLabel(phase, names)]));
  }

  get all(): readonly Remark[] {
    return [...this.#remarks.values()];
  }

  /** The marks of a column’s notes, and of the findings that explain it where the cells of a row have them. */
  marksOf(column: PublishedColumn, records: readonly DoneRecord[]): string[] {
    const { measure, explainedBy, note, incomparable } = column;
    const phase = typeof measure === 'object' && 'phase' in measure ? measure.phase : undefined;
    const findings = records
      .flatMap((record) => record.findings)
      .filter(({ code, where }) => explainedBy.includes(code) && this.#isOf(phase, where));
    const marks = [
      ...findings.map((finding) => this.#mark(finding.code, finding.message, finding.where)),
      ...[note, incomparable].flatMap((text) => (text === undefined ? [] : [this.#mark(null, text)])),
    ];
    return [...new Set(marks)].toSorted((a, b) => Number(a) - Number(b));
  }

  #mark(code: string | null, message: string, where?: Finding['where']): string {
    const key = JSON.stringify([code, message]);
    const remark: Remark & { readonly where: string[] } = this.#remarks.get(key) ?? {
      mark: String(this.#remarks.size + 1),
      code,
      where: [],
      message,
    };
    if (where !== undefined && !remark.where.includes(where)) remark.where.push(where);
    this.#remarks.set(key, remark);
    return remark.mark;
  }

  /** Whether a finding says something of a phase: found in it or one of its stages, or of no phase at all. */
  #isOf(phase: string | undefined, where: string): boolean {
    if (phase === undefined) return true;
    // Of `transfer` and `transfer/as-published`, the longer one is meant.
    const [found] = [...this.#labels]
      .filter(([, label]) => where === label || where.startsWith(`${label}/`))
      .toSorted(([, a], [, b]) => b.length - a.length);
    return found === undefined || found[0] === phase;
  }
}
