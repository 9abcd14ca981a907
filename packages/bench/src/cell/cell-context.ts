import type { Backend, Checkpoint, ConfiguredMethod } from '@kora-bench/core';
import type { ReportProgress } from '../progress/progress-event.js';
import type { FindingLog } from './audits/finding-log.js';

/** What all phases of one cell share. */
export interface CellContext {
  readonly backend: Backend;
  readonly checkpoint: Checkpoint;
  readonly method: ConfiguredMethod;
  readonly seed: number;
  readonly cacheDir: string;
  readonly report: ReportProgress;
  readonly findings: FindingLog;
}
