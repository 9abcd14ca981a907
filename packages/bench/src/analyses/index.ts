import type { RunConfig } from '../config/run-config.js';
import { nameAndOptions } from '../config/run-config.js';
import type { CellContext, FinishedPhase } from '../phases/run-phase.js';
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
    const { phase } = checked as { readonly phase?: string };
    const looked = phases.find(({ record }) => record.name === phase) ?? phases.find(isScored) ?? phases[0]!;
    found[name] = await definition.run(context, looked, checked);
  }
  return found;
}

/** Whether a phase is what a run is about, and not only trained on the way to another. */
function isScored({ planned }: FinishedPhase): boolean {
  return planned.phase.config.evaluate.length > 0;
}
