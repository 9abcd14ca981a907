import { stringify } from 'csv-stringify/sync';
import { parquetWriteBuffer } from 'hyparquet-writer';
import type { HistoryRow } from '../history-rows.js';
import type { ExportFormat } from './format-file.js';

/** The columns of both tables, with Parquet's types. */
const columns = {
  testbed: 'STRING',
  series: 'STRING',
  measure: 'STRING',
  title: 'STRING',
  phase: 'STRING',
  unit: 'STRING',
  direction: 'STRING',
  gating: 'BOOLEAN',
  date: 'TIMESTAMP',
  commit: 'STRING',
  dirty: 'BOOLEAN',
  seed: 'INT32',
  run: 'STRING',
  value: 'DOUBLE',
  low: 'DOUBLE',
  high: 'DOUBLE',
  examples: 'INT32',
  configuration: 'STRING',
} as const satisfies Record<keyof HistoryRow, string>;
const keys = Object.keys(columns) as (keyof HistoryRow)[];

/** One line for each value. */
export const csv: ExportFormat = {
  name: 'csv',
  holds: 'history',
  write: (rows) => [
    {
      path: 'history.csv',
      content: stringify(
        rows.map((row) => keys.map((key) => row[key])),
        {
          header: true,
          columns: keys,
          cast: { boolean: String },
        },
      ),
    },
  ],
};

/** One row for each value, typed. */
export const parquet: ExportFormat = {
  name: 'parquet',
  holds: 'history',
  write(rows) {
    const columnData = keys.map((name) => ({
      name,
      type: columns[name],
      nullable: true,
      data: rows.map((row) => (name === 'date' ? new Date(row.date) : row[name])),
    }));
    return [{ path: 'history.parquet', content: new Uint8Array(parquetWriteBuffer({ columnData })) }];
  },
};
