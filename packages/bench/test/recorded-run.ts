import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { CellRecord, DoneRecord } from '@kora-bench/bench';
import { recordSchema } from '@kora-bench/bench';
import { fixture, temporaryFolder } from './fake-run.js';

const template = recordSchema.parse(
  JSON.parse(readFileSync(fixture('done-record.json'), 'utf8')),
) as DoneRecord;

export interface RecordedCell {
  readonly label?: string;
  readonly seed?: number;
  /** Whether each image is classified correctly. */
  readonly correct: readonly boolean[];
  readonly imagesPerSecond?: number;
  readonly trainableParameters?: number;
  readonly learningRate?: number;
  readonly testFingerprint?: string;
  readonly commit?: string;
  readonly cpu?: string;
  readonly startedAt?: string;
  readonly peakMemoryBytes?: number;
  /** Left out, the scores' file is written. */
  readonly withoutScores?: boolean;
  /** Class that is predicted where the label is not. */
  readonly mistake?: number;
}

/** Writes a run folder of one phase, `source`, as a run leaves it. */
export function recordedRun(cells: readonly RecordedCell[], folder = temporaryFolder()): string {
  for (const name of ['records', 'scores']) mkdirSync(join(folder, name), { recursive: true });
  const records = cells.map((cell) => recordOf(cell));
  for (const [i, record] of records.entries()) {
    write(folder, record);
    const scores = record.phases[0]!.draws[0]!.evaluations[0]!.scores;
    if (scores !== null) writeFileSync(join(folder, scores), scoresText(cells[i]!));
  }
  const plan = {
    schemaVersion: 2,
    suite: 'default',
    createdAt: template.startedAt,
    config: records[0]!.config,
    cells: records.map(({ cell }) => cell),
  };
  writeFileSync(join(folder, 'run.json'), JSON.stringify(plan));
  return folder;
}

const write = (folder: string, record: CellRecord) =>
  writeFileSync(join(folder, 'records', `${record.cell.id}.json`), JSON.stringify(record));

function recordOf({
  label = 'lora',
  seed = 0,
  correct,
  imagesPerSecond = 100,
  trainableParameters = 19_300,
  learningRate = 0.005,
  testFingerprint = 'a'.repeat(64),
  commit = 'c'.repeat(40),
  cpu = 'Some CPU',
  startedAt = '2026-01-01T00:00:00.000Z',
  peakMemoryBytes = 4e8,
  withoutScores = false,
}: RecordedCell): DoneRecord {
  const [phase] = template.phases as [DoneRecord['phases'][number]];
  const [draw] = phase.draws as [(typeof phase.draws)[number]];
  const [evaluation] = draw.evaluations as [(typeof draw.evaluations)[number]];
  const top1 = correct.filter(Boolean).length / correct.length;
  const id = `${label}-s${seed}`;
  return {
    ...template,
    startedAt,
    cell: { ...template.cell, id, label, seed, learningRate, options: { label } },
    config: { ...template.config, phases: [{ ...template.config.phases[0]!, name: phase.name }] },
    code: { ...template.code, commit, dirty: false },
    environment: { ...template.environment, cpu },
    model: { ...template.model, trainableParameters },
    peakMemoryBytes,
    phases: [
      {
        ...phase,
        data: { ...phase.data, splits: { test: { examples: correct.length, fingerprint: testFingerprint } } },
        metrics: [
          { ...phase.metrics[0]!, scores: { score: 'correct', pooledAs: 'mean' } },
          { ...phase.metrics[1]!, scores: { score: 'correct', pooledAs: 'related' } },
        ],
        draws: [
          {
            ...draw,
            training: { ...draw.training!, imagesPerSecond },
            evaluations: [
              {
                ...evaluation,
                examples: correct.length,
                values: { top1, macroF1: top1 },
                intervals: {},
                scores: withoutScores ? null : `scores/${id}.csv`,
              },
            ],
          },
        ],
      },
    ],
  };
}

function scoresText({ correct, mistake = 1 }: RecordedCell): string {
  const lines = correct.map((right, i) => {
    const label = i % 4;
    const wrong = label === mistake ? mistake + 1 : mistake;
    const predicted = right ? label : wrong;
    return `images/${i}.png,${label},${predicted},${Number(right)},0.9,${right ? wrong : label},0.1`;
  });
  return `path,label,predicted,correct,probability,predicted2,probability2\n${lines.join('\n')}\n`;
}

/** Images of which those that `isWrong` names are classified wrongly. */
export const images = (count: number, isWrong: (i: number) => boolean = () => false) =>
  Array.from({ length: count }, (_, i) => !isWrong(i));
