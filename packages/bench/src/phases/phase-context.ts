import type { ImageSplit } from '@kora-bench/core/data';
import type { Checkpoint } from '@kora-bench/core/nn';
import type { ProtocolDraw, Task } from '@kora-bench/core/training';
import type { Evaluation, ReportProgress, TrainerContext, WeightStore } from '@kora-bench/trainer';
import type { AdapterStart } from '../adapter-start/start-from-adapter.js';
import type { FindingLog } from '../audits/data-audit.js';
import type { TrainedInPhase } from '../records/kept-weights.js';
import type { PredictedMaps } from '../records/map-files.js';
import type { KeptWeights, PhaseRecord } from '../records/phase-record-schema.js';
import type { PlannedPhase } from './plan-phases.js';

/** What all phases and analyses of one cell share. */
export interface CellContext extends TrainerContext {
  readonly checkpoint: Checkpoint;
  readonly cacheDir: string;
  readonly report: ReportProgress;
  readonly findings: FindingLog;
  /** What phases from the checkpoint start from instead of a fresh method. */
  readonly adapter?: AdapterStart;
  /**
   * Writes the scores of every example of an evaluation beside the record.
   * @param parts of the file's name: the phase, the draw where there are several, the evaluation
   * @returns the file's path from the run folder; null where it could not be written
   */
  writeScores(
    parts: readonly string[],
    split: ImageSplit,
    scores: Readonly<Record<string, ArrayLike<number>>>,
  ): Promise<string | null>;
  /**
   * Keeps what a draw of a phase trained; absent where that is not asked for.
   * @returns null where it could not be written
   */
  keepWeights?(trained: TrainedInPhase): Promise<KeptWeights | null>;
  /** Writes some predictions of an evaluation beside its scores; as {@link CellContext.writeScores}. */
  writeMaps(parts: readonly string[], maps: PredictedMaps): Promise<string | null>;
}

/** A phase that is done, with the model that came out of it; of several draws, the first one's. */
export interface FinishedPhase {
  readonly planned: PlannedPhase;
  readonly task: Task;
  readonly weights: WeightStore;
  readonly scored: readonly ScoredSplit[];
  readonly record: PhaseRecord;
}

/** The scores of one evaluation, which a later phase may be compared with. */
export interface ScoredSplit {
  readonly name: string;
  readonly fingerprint: string;
  readonly evaluation: Evaluation;
}

/** The finished phases that a phase goes on from. */
export interface EarlierPhases {
  /** The one that it starts from; the checkpoint where there is none. */
  readonly from?: FinishedPhase | undefined;
  /** The one whose head it uses, where it trains nothing. */
  readonly headOf?: FinishedPhase | undefined;
}

/** One draw of a phase, with what its parts go by. */
export interface DrawInPhase {
  readonly planned: PlannedPhase;
  readonly draw: ProtocolDraw;
  readonly where: string;
  /** Begin the names of files of scores. */
  readonly scores: readonly string[];
  readonly task: Task;
}
