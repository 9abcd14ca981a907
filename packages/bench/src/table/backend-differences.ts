import { formatMetric } from '@kora-bench/core/training';
import type { SummaryRow } from './summary-row.js';

/**
 * The largest share of a value that two backends may differ by through rounding in float32 alone. A score of whole
 * examples that flips differs by more, and is shown.
 */
const rounding = 1e-3;

/** A method's score that is not the same on all backends. */
export interface BackendDifference {
  readonly label: string;
  readonly model: string;
  readonly phase: string;
  readonly metric: string;
  /** The score on each backend, as it is printed. */
  readonly values: readonly { readonly backend: string; readonly value: string }[];
}

/** Where the primary scores of a method differ between backends by more than rounding, over equal seeds. */
export function backendDifferences(rows: readonly SummaryRow[]): BackendDifference[] {
  const groups = new Map<string, SummaryRow[]>();
  for (const row of rows) {
    const key = JSON.stringify([row.label, row.model, row.seeds]);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [row]);
    else group.push(row);
  }
  return [...groups.values()].flatMap((group) => (group.length < 2 ? [] : differencesOf(group)));
}

function differencesOf(group: readonly SummaryRow[]): BackendDifference[] {
  const { label, model, scores } = group[0]!;
  return scores.flatMap(({ phase, evaluation, caveat, metric }) => {
    if (!metric.primary || caveat !== null) return [];
    const found = group.flatMap((row) => {
      const own = row.scores.find(
        (score) =>
          score.phase === phase && score.evaluation === evaluation && score.metric.key === metric.key,
      );
      const value = own?.estimate?.value;
      return value === undefined ? [] : [{ backend: `${row.backend}:${row.device}`, value }];
    });
    const values = found.map(({ value }) => value);
    const spread = Math.max(...values) - Math.min(...values);
    if (spread <= rounding * Math.max(...values.map(Math.abs))) return [];
    const printed = found.map(({ backend, value }) => ({ backend, value: formatMetric(metric, value) }));
    return [{ label, model, phase, metric: metric.label, values: printed }];
  });
}

/** The differences as text; empty where there is one backend only. */
export function differencesText(rows: readonly SummaryRow[]): string {
  const backends = new Set(rows.map(({ backend, device }) => `${backend}:${device}`));
  if (backends.size < 2) return '';
  const differences = backendDifferences(rows);
  if (differences.length === 0) return 'The backends differ by rounding at most.';
  const severalModels = new Set(rows.map(({ model }) => model)).size > 1;
  const lines = differences.map(({ label, model, phase, metric, values }) => {
    const whose = severalModels ? `${label} on ${model}` : label;
    const each = values.map(({ backend, value }) => `${backend} ${value}`).join(', ');
    return `  ${whose}, ${phase} ${metric}: ${each}`;
  });
  return ['Backends differ by more than rounding:', ...lines].join('\n');
}
