import type { Checkpoint, ImageSplit } from '@kora-bench/core';
import type { ReportProgress, TrainerContext } from '@kora-bench/trainer';
import type { FindingLog } from '../audits/finding-log.js';

/** What all phases and analyses of one cell share. */
export interface CellContext extends TrainerContext {
  readonly checkpoint: Checkpoint;
  readonly cacheDir: string;
  readonly report: ReportProgress;
  readonly findings: FindingLog;
  /**
   * Writes the scores of every example of an evaluation beside the record.
   * @param name e.g. `source/test`
   * @returns the file's path from the run folder; null where it could not be written
   */
  writeScores(
    name: string,
    split: ImageSplit,
    scores: Readonly<Record<string, ArrayLike<number>>>,
  ): Promise<string | null>;
}
