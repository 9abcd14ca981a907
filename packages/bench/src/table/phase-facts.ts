import { formatMetric, primaryMetric } from '@kora-bench/core/training';
import type { PhaseRecord, RecordedMetric } from '../records/phase-record-schema.js';
import type { DoneRecord } from '../records/record-schema.js';
import { plural } from './text-table.js';

/** What a reader must know of a phase before its numbers. */
export interface PhaseFacts {
  readonly name: string;
  readonly task: string;
  readonly data: string;
  readonly protocol: string;
  readonly from: string | null;
  readonly trains: PhaseRecord['trains'];
  /** Of a phase that trains nothing. */
  readonly headOf: string | null;
  /** Independent trainings of each cell. */
  readonly draws: number;
  /** Least and most over all trainings. */
  readonly trainImages: readonly [least: number, most: number];
  /** None for a phase that is only trained on the way to another. */
  readonly evaluations: readonly {
    readonly name: string;
    readonly split: string;
    readonly caveat: string | null;
    readonly images: number;
    /** By metric, what the best answer scores that is the same for every image. */
    readonly chance: Readonly<Record<string, number>>;
  }[];
  readonly metrics: readonly RecordedMetric[];
}

/** The phases of some records, each once, as the first record that has it tells it. */
export function phaseFacts(records: readonly DoneRecord[]): PhaseFacts[] {
  const phases = new Map<string, [PhaseRecord, ...PhaseRecord[]]>();
  for (const phase of records.flatMap((record) => record.phases)) {
    const same = phases.get(phase.name);
    if (same === undefined) phases.set(phase.name, [phase]);
    else same.push(phase);
  }
  return [...phases.values()].map((same) => {
    const [{ name, task, data, protocol, from, trains, headOf = null, draws, metrics }] = same;
    const sizes = same.flatMap((phase) => phase.draws.map(({ train }) => train.examples));
    return {
      name,
      task: task.name,
      data: data.dataset,
      protocol: protocol.name,
      from,
      trains,
      headOf,
      draws: draws.length,
      trainImages: [Math.min(...sizes), Math.max(...sizes)],
      evaluations: draws[0]!.evaluations.map((evaluation) => ({
        name: evaluation.name,
        split: evaluation.split,
        caveat: evaluation.caveat,
        images: evaluation.examples,
        chance: evaluation.chance,
      })),
      metrics,
    };
  });
}

/** `classification on cifar100, protocol few-shot, 3 draws`. */
export function describePhase(facts: PhaseFacts): string {
  const { task, data, protocol, draws } = facts;
  const parts = [
    `${task} on ${data}`,
    protocol !== 'full' && `protocol ${protocol}`,
    startOf(facts),
    draws > 1 && plural(draws, 'draw'),
  ];
  return parts.filter(Boolean).join(', ');
}

/** Null for a phase that trains everything from the checkpoint. */
function startOf({ trains, from, headOf }: PhaseFacts): string | null {
  if (trains === 'nothing') return `the model of ${from} under the head of ${headOf}`;
  if (trains === 'head') return `a new head on the frozen model of ${from}`;
  return from === null ? null : `from the model of ${from}`;
}

/** `4000 training images; scored on 1000 test images; chance: top-1 5.0 %`. */
export function describeImages({
  trains,
  trainImages: [least, most],
  evaluations,
  metrics,
}: PhaseFacts): string {
  const plain = evaluations.filter(({ caveat }) => caveat === null);
  const scored = plain.map(({ name, split, images }) =>
    name === split ? `${images} ${split} images` : `${images} ${split} images (${name})`,
  );
  const parts = [
    trains === 'nothing'
      ? 'nothing is trained'
      : `${least === most ? most : `${least} to ${most}`} training images`,
    scored.length > 0 && `scored on ${scored.join(' and ')}`,
    chanceText(plain[0]?.chance ?? {}, metrics),
  ];
  return parts.filter(Boolean).join('; ');
}

/** Of the metric that a phase is judged by, else of all that have one. */
function chanceText(
  chance: Readonly<Record<string, number>>,
  metrics: readonly RecordedMetric[],
): string | undefined {
  const primary = primaryMetric(metrics);
  const shown = chance[primary.key] === undefined ? metrics : [primary];
  const texts = shown.flatMap((metric) => {
    const value = chance[metric.key];
    return value === undefined
      ? []
      : [`${metric.label} ${formatMetric(metric, value)} ${metric.unit}`.trimEnd()];
  });
  return texts.length === 0 ? undefined : `chance: ${texts.join(', ')}`;
}

/** What weights and data have to say about themselves, each note once. */
export function notesOf(records: readonly DoneRecord[]): string[] {
  return [
    ...new Set(
      records.flatMap(({ model, phases }) => [...model.notes, ...phases.flatMap(({ data }) => data.notes)]),
    ),
  ];
}
