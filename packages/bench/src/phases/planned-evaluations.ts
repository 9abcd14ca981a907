import type { ImageSplit } from '@kora-bench/core/data';
import type { ProtocolDraw } from '@kora-bench/core/training';
import type { PlannedPhase } from './plan-phases.js';

export interface PlannedEvaluation {
  readonly name: string;
  readonly split: ImageSplit;
  readonly caveat?: string;
}

/** What a phase asks to be scored on. */
export function wantedEvaluations(
  { phase }: Pick<PlannedPhase, 'phase'>,
  draw: ProtocolDraw,
): readonly PlannedEvaluation[] {
  return phase.config.evaluate.flatMap((split) =>
    split === 'test' ? draw.evaluations : draw.val === undefined ? [] : [{ name: 'val', split: draw.val }],
  );
}

/** What a draw is scored on: the evaluations of one group share one pass. */
export function evaluationsOf(
  planned: Pick<PlannedPhase, 'phase'>,
  draw: ProtocolDraw,
): readonly (readonly PlannedEvaluation[])[] {
  return sameImages(wantedEvaluations(planned, draw));
}

/** Evaluations in groups of the same images in the same order. */
function sameImages(evaluations: readonly PlannedEvaluation[]): PlannedEvaluation[][] {
  const groups = new Map<string, PlannedEvaluation[]>();
  for (const evaluation of evaluations) {
    const key = `${evaluation.split.split}\n${evaluation.split.paths.join('\n')}`;
    groups.set(key, [...(groups.get(key) ?? []), evaluation]);
  }
  return [...groups.values()];
}
