import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { KoraError } from '@kora-bench/core';
import { readJsonFile } from './read-json-file.js';
import type { CellRecord } from './record-schema.js';
import { recordSchema } from './record-schema.js';
import { recordPath, recordsFolder } from './run-paths.js';

/** @throws MissingDataError | FormatError */
export function readRecord(runDir: string, cellId: string): Promise<CellRecord> {
  return readJsonFile(recordPath(runDir, cellId), recordSchema, 'record');
}

/** Like {@link readRecord}; undefined for a record that is missing or not valid. */
export async function readRecordIfValid(runDir: string, cellId: string): Promise<CellRecord | undefined> {
  return readRecord(runDir, cellId).catch((error: unknown) => {
    if (error instanceof KoraError) return undefined;
    throw error;
  });
}

/** The records of some cells, in their order; missing ones are left out. @throws FormatError */
export async function readRecords(runDir: string, cellIds: readonly string[]): Promise<CellRecord[]> {
  const there = new Set(await readdir(recordsFolder(runDir)).catch(() => []));
  return Promise.all(cellIds.filter((id) => there.has(`${id}.json`)).map((id) => readRecord(runDir, id)));
}

/** Deletes what an interrupted write left behind: files of the records folder that are no records. */
export async function removeLeftovers(runDir: string): Promise<void> {
  const files = await readdir(recordsFolder(runDir)).catch(() => []);
  const leftovers = files.filter((file) => !file.endsWith('.json'));
  await Promise.all(leftovers.map((file) => rm(join(recordsFolder(runDir), file), { force: true })));
}
