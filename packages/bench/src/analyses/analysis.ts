import type { Architecture } from '@kora-bench/core/nn';
import type { ConfiguredMethod } from '@kora-bench/core/peft';
import type { z } from 'zod';
import type { CellContext, FinishedPhase } from '../phases/phase-context.js';
import type { PlannedPhase } from '../phases/plan-phases.js';

/** What is known of a phase before anything trains. */
export interface PlannedLook {
  readonly model: Architecture;
  readonly method: ConfiguredMethod;
  readonly planned: PlannedPhase;
}

/** Something to look at once the phases of a cell are done. */
export interface AnalysisDefinition<Options = unknown> {
  readonly name: string;
  readonly description: string;
  /** Validates options and fills in defaults; `phase` names the phase to look at. */
  readonly options: z.ZodType<Options>;
  /** Refuses, before anything trains, what cannot be looked at. @throws InputError naming the option */
  check?(look: PlannedLook, options: Options): void;
  /** @returns what goes into the record under the analysis's name */
  run(context: CellContext, phase: FinishedPhase, options: Options): Promise<Record<string, unknown>>;
}

/** Types an analysis by its options schema. */
export function defineAnalysis<Options>(
  definition: AnalysisDefinition<Options>,
): AnalysisDefinition<Options> {
  return definition;
}
