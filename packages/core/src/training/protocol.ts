import type { z } from 'zod';
import type { ImageDataset, ImageSplit, Preprocessing } from '../data/image-split.js';
import type { TrainingConfig } from './training-config.js';

/*
 * A protocol is how a phase takes its examples, and what it trains and scores on.
 */

/** What a protocol plans for. */
export interface ProtocolContext {
  /** As the data set defines it; `val` may be absent. */
  readonly data: ImageDataset;
  /** The checkpoint's own, with the run's overrides. */
  readonly preprocessing: Preprocessing;
  readonly training: TrainingConfig;
  readonly seed: number;
}

/** One way of scoring the trained model. */
export interface ProtocolEvaluation {
  /** E.g. `test`, or `own labels`. */
  readonly name: string;
  readonly split: ImageSplit;
  /** Why its numbers do not measure what they seem to; absent for numbers to read. */
  readonly caveat?: string;
}

/** One training of a phase with its evaluations; most protocols make a single one. */
export interface ProtocolDraw {
  readonly train: ImageSplit;
  /** For choices; nothing is reported on it unless asked for. */
  readonly val: ImageSplit | undefined;
  /** The first is the one to read. Those of the same images under other targets share one pass. */
  readonly evaluations: readonly [ProtocolEvaluation, ...ProtocolEvaluation[]];
  readonly preprocessing: Preprocessing;
  readonly training: TrainingConfig;
  /** Examples come in the split's own order in every epoch. */
  readonly unshuffled: boolean;
  /** What a reader of results must know of this way of taking examples. */
  readonly findings: readonly ProtocolFinding[];
}

export interface ProtocolFinding {
  /** Stable, e.g. `DIRECTORY_ORDER_SUBSET`. */
  readonly code: string;
  readonly severity: 'info' | 'warning' | 'error';
  readonly message: string;
  /** The numbers or names that show it. */
  readonly evidence: Readonly<Record<string, unknown>>;
}

/** What a protocol package registers. */
export interface ProtocolDefinition<Options = unknown> {
  readonly name: string;
  readonly description: string;
  /** Validates options and fills in defaults; unknown ones are rejected (`z.strictObject`). */
  readonly options: z.ZodType<Options>;
  /** @throws InputError when the data set cannot be taken so */
  draws(context: ProtocolContext, options: Options): readonly [ProtocolDraw, ...ProtocolDraw[]];
}

/** Types a protocol definition by its options schema. */
export function defineProtocol<Options>(
  definition: ProtocolDefinition<Options>,
): ProtocolDefinition<Options> {
  return definition;
}
