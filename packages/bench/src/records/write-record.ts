import { InternalError } from '@kora-bench/core';
import type { CellRecord } from './record-schema.js';
import { recordSchema } from './record-schema.js';
import { recordPath } from './run-paths.js';
import { writeOutput } from './write-output.js';

/**
 * Writes `<runDir>/records/<cell.id>.json`, whole or not at all.
 * @returns its path
 * @throws InternalError for a record that its schema refuses, naming the field
 * @throws InputError when the folder cannot be written
 */
export async function writeRecord(runDir: string, record: CellRecord): Promise<string> {
  const result = recordSchema.safeParse(record);
  if (!result.success) {
    const { path, message } = result.error.issues[0]!;
    throw new InternalError('The record does not fit its schema.', {
      where: path.join('.'),
      received: message,
      fix: 'Please report this with the run’s configuration.',
    });
  }
  const path = recordPath(runDir, record.cell.id);
  await writeOutput(path, `${JSON.stringify(result.data, null, 1)}\n`);
  return path;
}
