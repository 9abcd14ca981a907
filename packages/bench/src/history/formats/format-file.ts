import type { HistoryRow } from '../history-rows.js';

/** A file that an export writes. */
export interface FormatFile {
  /** From the folder of the export. */
  readonly path: string;
  readonly content: string | Uint8Array;
}

/** Writes a history in a format of others. */
export interface ExportFormat {
  readonly name: string;
  /** Whether it has a whole history, or the newest values alone. */
  readonly holds: 'history' | 'newest';
  write(rows: readonly HistoryRow[]): FormatFile[];
}
