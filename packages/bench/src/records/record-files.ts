import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { ImageSplit } from '@kora-bench/core/data';
import { InternalError, KoraError } from '@kora-bench/core/errors';
import type { ReportProgress } from '@kora-bench/trainer';
import { stringify } from 'csv-stringify/sync';
import type { PredictedMaps } from './map-files.js';
import { writeMaps } from './map-files.js';
import type { CellRecord } from './record-schema.js';
import { recordSchema } from './record-schema.js';
import {
  filePart,
  readJsonFile,
  recordPath,
  recordsFolder,
  weightsFolder,
  writeOutput,
} from './run-files.js';

/**
 * Writes `<runDir>/records/<cell.id>.json` atomically.
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

/** @throws MissingDataError | FormatError */
export function readRecord(runDir: string, cellId: string): Promise<CellRecord> {
  return readJsonFile(recordPath(runDir, cellId), recordSchema, {
    kind: 'record',
    fix: 'Run with --resume --out and this run folder to make it again.',
  });
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

/** Deletes what an interrupted write left behind: files of the folders of records and weights that are neither. */
export async function removeLeftovers(runDir: string): Promise<void> {
  for (const [folder, ending] of [
    [recordsFolder(runDir), '.json'],
    [weightsFolder(runDir), '.safetensors'],
  ] as const) {
    const files = await readdir(folder).catch(() => []);
    const leftovers = files.filter((file) => !file.endsWith(ending));
    await Promise.all(leftovers.map((file) => rm(join(folder, file), { force: true })));
  }
}

/** The scores of every example of one evaluation. */
export interface ScoresSpec {
  /** The phase, the draw where there are several, the evaluation. */
  readonly parts: readonly string[];
  readonly split: ImageSplit;
  readonly scores: Readonly<Record<string, ArrayLike<number>>>;
}

/**
 * Writes `scores/<cell>.<phase>.<evaluation>.csv` into the run folder: one line per example, its path first, so that
 * two cells can be compared example by example. A file that cannot be written is reported and costs nothing else.
 * @returns its path from the run folder, or null
 */
export async function writeScores(
  { runDir, cell }: { readonly runDir: string; readonly cell: { readonly id: string } },
  { parts, split, scores }: ScoresSpec,
  report: ReportProgress,
): Promise<string | null> {
  const columns = Object.entries(scores);
  const rows = split.paths.map((path, i) => [path, ...columns.map(([, values]) => numberText(values[i]!))]);
  const name = parts.map(filePart).join('.');
  const file = `scores/${cell.id}.${name}.csv`;
  const text = stringify(rows, { header: true, columns: ['path', ...columns.map(([key]) => key)] });
  try {
    await writeOutput(join(runDir, file), text);
    return file;
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    report({ kind: 'message', text: `The scores of ${name} are not kept: ${reason}` });
    return null;
  }
}

/**
 * Writes `maps/<cell>.<phase>.<evaluation>.json` into the run folder: some predictions to look at. A file that cannot be
 * written is reported and costs nothing else.
 * @returns its path from the run folder, or null
 */
export async function writePredictedMaps(
  { runDir, cell }: { readonly runDir: string; readonly cell: { readonly id: string } },
  { parts, maps }: { readonly parts: readonly string[]; readonly maps: PredictedMaps },
  report: ReportProgress,
): Promise<string | null> {
  const name = parts.map(filePart).join('.');
  const file = `maps/${cell.id}.${name}.json`;
  try {
    await writeMaps(runDir, file, maps);
    return file;
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    report({ kind: 'message', text: `The predicted maps of ${name} are not kept: ${reason}` });
    return null;
  }
}

/** Nine significant digits give every float32 back; what has no value is empty. */
function numberText(value: number): string {
  if (!Number.isFinite(value)) return '';
  return Number.isInteger(value) ? String(value) : String(Number(value.toPrecision(9)));
}
