import type { RunConfig } from '../config/run-config.js';
import { nameAndOptions } from '../config/run-config.js';
import type { CellContext, FinishedPhase } from '../phases/phase-context.js';
import type { PlannedPhase } from '../phases/plan-phases.js';
import type { DoneRecord } from '../records/record-schema.js';
import type { AnalysisDefinition } from './analysis.js';
import { cka } from './cka.js';
import { merge } from './merge.js';

/** Every analysis by name. */
export const analyses: ReadonlyMap<string, AnalysisDefinition> = new Map(
  ([cka, merge] as readonly AnalysisDefinition[]).map((analysis) => [analysis.name, analysis]),
);

/** Runs the analyses that a run asks for. */
export async function runAnalyses(
  context: CellContext,
  { analyses: entries }: RunConfig,
  phases: readonly FinishedPhase[],
): Promise<DoneRecord['analyses']> {
  const found: DoneRecord['analyses'] = {};
  for (const entry of entries) {
    const { name, options } = nameAndOptions(entry);
    const definition = analyses.get(name)!;
    const checked = definition.options.parse(options);
    const looked = phaseLookedAt(
      phases.map(({ planned }) => planned),
      checked,
    );
    found[name] = await definition.run(context, phases[looked]!, checked);
  }
  return found;
}

/** Which phase an analysis looks at: the one that its options name, else the first that is scored, else the first. */
export function phaseLookedAt(phases: readonly PlannedPhase[], options: unknown): number {
  const { phase } = options as { readonly phase?: string };
  const configs = phases.map(({ phase: { config } }) => config);
  const named = configs.findIndex(({ name }) => name === phase);
  if (named >= 0) return named;
  // A phase that is not scored is only trained on the way to another.
  const scored = configs.findIndex(({ evaluate }) => evaluate.length > 0);
  return Math.max(0, scored);
}
