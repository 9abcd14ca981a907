import { stringify } from 'csv-stringify/sync';
import type { DoneRecord } from '../records/record-schema.js';
import type { PhaseFacts } from '../table/phase-facts.js';
import type { RunSummary } from '../table/run-summary.js';

type Field = string | number | null;

/** The results as CSV, one line for each row, phase, evaluation and metric; numbers as records have them, unscaled. */
export function csvReport({ rows, phases }: RunSummary): string {
  return csv(
    rows.flatMap((row) =>
      row.scores.map(({ phase, evaluation, protocol, metric, caveat, estimate }) => {
        const facts = phases.find(({ name }) => name === phase);
        const scored = evaluationOf(facts, evaluation);
        const search = row.search?.phase === phase ? row.search : null;
        return {
          method: row.label,
          name: row.method,
          preset: row.preset,
          model: row.model,
          backend: row.backend,
          device: row.device,
          learning_rate: row.learningRates[phase] ?? null,
          rate_chosen_on: search?.split ?? null,
          rate_edge: search?.edge ?? null,
          tuned_share: row.tunedShare,
          phase,
          task: facts?.task ?? null,
          data: facts?.data ?? null,
          protocol,
          evaluation,
          metric: metric.key,
          direction: metric.direction,
          mean: estimate?.value ?? null,
          standard_deviation: estimate?.deviation ?? null,
          interval_low: estimate?.interval?.[0] ?? null,
          interval_high: estimate?.interval?.[1] ?? null,
          seeds: row.seeds.length,
          measurements: estimate?.measurements ?? 0,
          chance: scored?.chance[metric.key] ?? null,
          training_images: facts?.trainImages[1] ?? null,
          scored_images: scored?.images ?? null,
          caveat,
        };
      }),
    ),
  );
}

/** Every single measurement as CSV, one line for each cell, phase, draw, evaluation and metric. */
export function cellsCsv(records: readonly DoneRecord[]): string {
  return csv(
    records.flatMap(({ cell, config, phases }) =>
      phases.flatMap((phase) =>
        phase.draws.flatMap(({ train, training, evaluations }, draw) =>
          evaluations.flatMap((evaluation) =>
            phase.metrics.map(({ key }) => ({
              cell: cell.id,
              method: cell.label,
              name: cell.method,
              preset: config.methods.find(({ label }) => label === cell.label)?.preset ?? null,
              model: cell.model,
              backend: cell.backend,
              device: cell.device,
              seed: cell.seed,
              learning_rate: training?.learningRate ?? null,
              phase: phase.name,
              draw,
              evaluation: evaluation.name,
              metric: key,
              value: evaluation.values[key] ?? null,
              interval_low: evaluation.intervals[key]?.[0] ?? null,
              interval_high: evaluation.intervals[key]?.[1] ?? null,
              chance: evaluation.chance[key] ?? null,
              training_images: train.examples,
              scored_images: evaluation.examples,
              caveat: evaluation.caveat,
            })),
          ),
        ),
      ),
    ),
  );
}

function evaluationOf(facts: PhaseFacts | undefined, name: string) {
  return facts?.evaluations.find((evaluation) => evaluation.name === name);
}

function csv(lines: readonly Readonly<Record<string, Field>>[]): string {
  return stringify([...lines], { header: true, columns: Object.keys(lines[0] ?? {}) });
}
