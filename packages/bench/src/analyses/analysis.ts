import type { z } from 'zod';
import type { CellContext, FinishedPhase } from '../phases/run-phase.js';

/** Something to look at once the phases of a cell are done. */
export interface AnalysisDefinition<Options = unknown> {
  readonly name: string;
  readonly description: string;
  /** Validates options and fills in defaults; `phase` names the phase to look at. */
  readonly options: z.ZodType<Options>;
  /** @returns what goes into the record under the analysis's name */
  run(context: CellContext, phase: FinishedPhase, options: Options): Promise<Record<string, unknown>>;
}

/** Types an analysis by its options schema. */
export function defineAnalysis<Options>(
  definition: AnalysisDefinition<Options>,
): AnalysisDefinition<Options> {
  return definition;
}
