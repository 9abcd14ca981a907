import type { DoneRecord, Finding } from '../records/record-schema.js';

/** A finding, with all the cells that have it. */
export interface GroupedFinding {
  readonly code: string;
  readonly severity: Finding['severity'];
  readonly where: string;
  readonly message: string;
  /** Ids of cells. */
  readonly cells: readonly string[];
  /** Labels of their methods. */
  readonly labels: readonly string[];
  /** The first cell's. */
  readonly evidence: Finding['evidence'];
}

const severities: readonly Finding['severity'][] = ['error', 'warning', 'info'];

/** The findings of some records, equal ones together, the gravest first. */
export function groupFindings(records: readonly DoneRecord[]): GroupedFinding[] {
  const groups = new Map<string, { finding: Finding; cells: string[]; labels: Set<string> }>();
  for (const { cell, findings } of records) {
    for (const finding of findings) {
      const key = JSON.stringify([finding.code, finding.where, finding.message]);
      const group = groups.get(key) ?? { finding, cells: [], labels: new Set() };
      group.cells.push(cell.id);
      group.labels.add(cell.label);
      groups.set(key, group);
    }
  }
  return [...groups.values()]
    .map(({ finding, cells, labels }) => ({ ...finding, cells, labels: [...labels] }))
    .toSorted((a, b) => severities.indexOf(a.severity) - severities.indexOf(b.severity));
}

/** Findings as text; `of` is the number of methods that were judged. */
export function findingsText(findings: readonly GroupedFinding[], of: number): string {
  if (findings.length === 0) return 'The audits found nothing.';
  const lines = findings.map(({ severity, code, where, message, labels }) => {
    const whose = labels.length === of ? 'all methods' : labels.join(', ');
    return `  ${severity.padEnd(7)} ${code} (${where}; ${whose})\n          ${message}`;
  });
  return ['Findings of the audits:', ...lines].join('\n');
}
