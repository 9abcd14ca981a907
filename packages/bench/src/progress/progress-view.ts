import type { ProgressEvent } from '@kora-bench/trainer';
import type { Cell, CellRecord } from '../records/record-schema.js';

export interface StartedCell {
  readonly cell: Cell;
  /** From 1. */
  readonly number: number;
  readonly of: number;
}

/** Shows how a run goes. */
export interface ProgressView {
  cellStarted(started: StartedCell): void;
  progress(event: ProgressEvent): void;
  cellEnded(record: CellRecord): void;
  /** Leaves the terminal as it should be. */
  close(): void;
}
