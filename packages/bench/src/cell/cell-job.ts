import type { RunConfig } from '../config/run-config.js';
import type { Cell } from '../records/record-schema.js';

/** All that a cell's process needs to do its work; sent to it as one IPC message. */
export interface CellJob {
  readonly cell: Cell;
  readonly config: RunConfig;
  /** The record goes to `<runDir>/records/<cell.id>.json`. */
  readonly runDir: string;
  readonly dataDir: string;
  readonly cacheDir: string;
}
