import type { ImageSplit } from '@kora-bench/core/data';
import type { Evaluation, PredictedBatch, WeightStore } from '@kora-bench/trainer';
import { evaluate, finalStage } from '@kora-bench/trainer';
import { auditSingleClass } from '../audits/data-audit.js';
import type { PredictedMaps } from '../records/map-files.js';
import type { EvaluationRecord } from '../records/phase-record-schema.js';
import { withForgetting } from './forgetting.js';
import { KeptMaps } from './kept-maps.js';
import type { CellContext, DrawInPhase, ScoredSplit } from './phase-context.js';
import type { PlannedEvaluation } from './planned-evaluations.js';
import { evaluationsOf } from './planned-evaluations.js';

/**
 * Scores a draw as its phase asks. Evaluations of the same images share one pass.
 * @param weights of the model
 * @param before what an earlier model scored, to tell what was forgotten
 */
export async function evaluateDraw(
  context: CellContext,
  weights: WeightStore,
  {
    planned,
    draw,
    where,
    scores,
    task,
    before,
  }: DrawInPhase & { readonly before?: readonly ScoredSplit[] | undefined },
): Promise<{ readonly evaluations: EvaluationRecord[]; readonly scored: readonly ScoredSplit[] }> {
  const records: EvaluationRecord[] = [];
  const scored: ScoredSplit[] = [];
  for (const together of evaluationsOf(planned, draw)) {
    const kept = new KeptMaps(task, draw.preprocessing.imageSize);
    const spec = {
      name: `${where}/evaluate`,
      task,
      stage: finalStage(context.method),
      preprocessing: draw.preprocessing,
      batchSize: draw.training.batchSize,
      seen: (batch: PredictedBatch) => kept.add(batch, together[0]!.split.paths),
    };
    const splits = together.map(({ split }) => split) as [ImageSplit, ...ImageSplit[]];
    const found = await evaluate(context, weights, spec, splits);
    for (const [i, one] of found.entries()) {
      auditSingleClass(context.findings, where, one);
      const { name, split } = together[i]!;
      const { fingerprint } = split;
      const earlier = before?.find((then) => then.name === name && then.fingerprint === fingerprint);
      const evaluation = earlier === undefined ? one : withForgetting(task, one, earlier.evaluation);
      scored.push({ name, fingerprint, evaluation });
      records.push(
        await recordEvaluation(context, together[i]!, evaluation, {
          parts: scores,
          maps: i === 0 ? kept.maps : null,
        }),
      );
    }
  }
  return { evaluations: records, scored };
}

async function recordEvaluation(
  context: CellContext,
  { name, split, caveat }: PlannedEvaluation,
  evaluation: Evaluation,
  { parts, maps: kept }: { readonly parts: readonly string[]; readonly maps: PredictedMaps | null },
): Promise<EvaluationRecord> {
  const maps = kept === null ? null : await context.writeMaps([...parts, name], kept);
  const { examples, values, intervals, chance = {}, details, scores } = evaluation;
  return {
    name,
    split: split.split,
    caveat: caveat ?? null,
    examples,
    values: { ...values },
    intervals: Object.fromEntries(Object.entries(intervals).map(([key, [low, high]]) => [key, [low, high]])),
    chance: { ...chance },
    details: { ...details },
    scores: await context.writeScores([...parts, name], split, scores),
    ...(maps !== null && { maps }),
  };
}
