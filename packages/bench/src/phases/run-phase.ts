import type { Metric } from '@kora-bench/core/training';
import { nameAndOptions } from '../config/run-config.js';
import type { PhaseRecord, RecordedMetric } from '../records/phase-record-schema.js';
import { evaluateDraw } from './evaluate-draw.js';
import { metricsOfPhase } from './forgetting.js';
import type { CellContext, EarlierPhases, FinishedPhase } from './phase-context.js';
import type { PlannedPhase } from './plan-phases.js';
import { trainDraw, underHead } from './train-draw.js';

/** Trains and scores one phase. */
export async function runPhase(
  context: CellContext,
  planned: PlannedPhase,
  { from, headOf }: EarlierPhases,
): Promise<FinishedPhase> {
  const { phase, dataset, draws } = planned;
  let first: Pick<FinishedPhase, 'task' | 'weights' | 'scored'> | undefined;
  const recorded: PhaseRecord['draws'] = [];
  for (const [number, draw] of draws.entries()) {
    const single = draws.length === 1;
    const where = single ? phase.label : `${phase.label}/${number}`;
    const scores = single ? [phase.config.name] : [phase.config.name, String(number)];
    const task = planned.taskFor(draw.train);
    const started = { planned, draw, where, scores, task };
    const trained =
      headOf === undefined
        ? await trainDraw(context, { ...started, number, from })
        : underHead(context, task, { from: from!, headOf });
    const { weights, training, kept } = trained;
    const { evaluations, scored } = await evaluateDraw(context, weights, {
      ...started,
      before: headOf?.scored,
    });
    recorded.push({
      train: { examples: draw.train.length, fingerprint: draw.train.fingerprint },
      training,
      evaluations,
      ...(kept !== undefined && { weights: kept }),
    });
    first ??= { task, weights, scored };
  }
  const { task, weights, scored } = first!;
  const splits = [dataset.train, dataset.val, dataset.test].filter((split) => split !== undefined);
  const used = [
    ...splits,
    ...draws.flatMap(({ train, val }) => (val === undefined ? [train] : [train, val])),
  ];
  const record: PhaseRecord = {
    name: phase.config.name,
    from: phase.config.from,
    task: { name: task.name, options: plainOptions(phase.task.options) },
    protocol: {
      name: nameAndOptions(phase.config.protocol).name,
      options: plainOptions(phase.protocol.options),
    },
    trains: phase.config.trains,
    ...(headOf && { headOf: headOf.record.name }),
    data: {
      dataset: dataset.name,
      splits: Object.fromEntries(
        splits.map(({ split, length, fingerprint }) => [split, { examples: length, fingerprint }]),
      ),
      notes: [...new Set(used.flatMap(({ notes }) => notes))],
    },
    preprocessing: { ...draws[0].preprocessing },
    metrics: metricsOfPhase(task, headOf?.record.name).map(recordedMetric),
    draws: recorded,
  };
  return { planned, task, weights, scored, record };
}

/** JSON has no infinity: a side without a limit is null. */
function recordedMetric(metric: Metric): RecordedMetric {
  const limit = (value: number) => (Number.isFinite(value) ? value : null);
  return {
    ...metric,
    format: { ...metric.format },
    range: [limit(metric.range[0]), limit(metric.range[1])],
  };
}

function plainOptions(options: unknown): Record<string, unknown> {
  return { ...(options as Record<string, unknown>) };
}
