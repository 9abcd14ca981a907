import { z } from 'zod';
import { abFileSchema } from './ab/ab-measurements.js';
import { compressibilitySchema } from './compressibility/compressibility-schema.js';
import { runConfigSchema } from './config/run-config.js';
import { historyLineSchema } from './history/history-schema.js';
import { recordSchema } from './records/record-schema.js';
import { throughputCellSchema } from './throughput/measure-throughput.js';

/** The formats of the suite's files as JSON Schema (draft 2020-12), by file name in `schema/`. */
export function jsonSchemas(): Readonly<Record<string, object>> {
  return {
    'ab.schema.json': z.toJSONSchema(abFileSchema, { io: 'output' }),
    'compressibility.schema.json': z.toJSONSchema(compressibilitySchema, { io: 'output' }),
    'history-line.schema.json': z.toJSONSchema(historyLineSchema, { io: 'output' }),
    'record.schema.json': z.toJSONSchema(recordSchema, { io: 'output' }),
    'suite.schema.json': z.toJSONSchema(runConfigSchema, { io: 'input' }),
    'throughput-cell.schema.json': z.toJSONSchema(throughputCellSchema, { io: 'output' }),
  };
}
