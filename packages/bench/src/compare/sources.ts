import { readdir, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { FormatError, KoraError, MissingDataError } from '@kora-bench/core/errors';
import { historyCells } from '../history/history-cells.js';
import type { ComparedCell, SettingsReading } from '../measures/compared-cell.js';
import { comparedCell } from '../measures/compared-cell.js';
import type { CellRecord } from '../records/record-schema.js';
import { recordSchema } from '../records/record-schema.js';
import { planPath, readJsonFile, recordPath, recordsFolder } from '../records/run-files.js';
import { findRun, readPlan } from '../records/run-folder.js';

/** One side of a comparison. */
export interface ComparedSide {
  /** As the user named it. */
  readonly name: string;
  /** The run folder; null for records elsewhere and entries of a history. */
  readonly runDir: string | null;
  readonly cells: readonly ComparedCell[];
  /** What could not be read, and why. */
  readonly problems: readonly string[];
}

/**
 * Reads one side of a comparison: a run folder, `latest`, a folder of records, a record, or entries of a history as
 * `FOLDER@COMMIT` (the beginning of a commit, or `latest`). What is damaged is a problem of the side; the rest is read.
 * @throws MissingDataError where there is nothing of this kind
 * @throws FormatError where nothing of it can be read
 */
export async function readSide(name: string, reading: SettingsReading = {}): Promise<ComparedSide> {
  const at = name.lastIndexOf('@');
  if (at > 0 && !(await exists(resolve(name)))) {
    return { name, runDir: null, ...(await historyCells(resolve(name.slice(0, at)), name.slice(at + 1))) };
  }
  const { files, runDir, scoresIn } = await recordFiles(name);
  const cells: ComparedCell[] = [];
  const problems: string[] = [];
  let first: KoraError | undefined;
  for (const file of files) {
    try {
      const record = await readJsonFile<CellRecord>(file, recordSchema, {
        kind: 'record',
        fix: 'Run the cell again, or leave the file out.',
      });
      cells.push(comparedCell(record, scoresIn, reading));
    } catch (error) {
      if (!(error instanceof KoraError)) throw error;
      first ??= error;
      problems.push(
        `${basename(file)}: ${error.message}${error.received === undefined ? '' : ` (${error.received})`}`,
      );
    }
  }
  if (cells.length > 0) return { name, runDir, cells, problems };
  if (first !== undefined) throw first;
  throw new FormatError('There is no record to compare.', {
    where: resolve(name),
    expected: 'at least one finished or failed cell',
    received: runDir === null ? 'no file that ends with .json' : 'a run without a record yet',
    fix: 'Let the run go on with --resume, or name another one.',
  });
}

const exists = (path: string) =>
  stat(path).then(
    () => true,
    () => false,
  );

interface RecordFiles {
  readonly files: readonly string[];
  readonly runDir: string | null;
  /** Records name their scores from here. */
  readonly scoresIn: string;
}

async function recordFiles(name: string): Promise<RecordFiles> {
  const path = name === 'latest' ? await findRun(name) : resolve(name);
  const found = await stat(path).catch(() => undefined);
  if (found?.isFile() && path.endsWith('.json')) {
    return { files: [path], runDir: null, scoresIn: await runOf(dirname(path)) };
  }
  if (found?.isDirectory()) {
    if (await exists(planPath(path))) {
      const { cells } = await readPlan(path);
      const there = new Set(await readdir(recordsFolder(path)).catch(() => []));
      const ids = cells.map(({ id }) => id).filter((id) => there.has(`${id}.json`));
      return { files: ids.map((id) => recordPath(path, id)), runDir: path, scoresIn: path };
    }
    const names = (await readdir(path)).filter((file) => file.endsWith('.json')).sort();
    if (names.length > 0) {
      return { files: names.map((file) => join(path, file)), runDir: null, scoresIn: await runOf(path) };
    }
  }
  throw new MissingDataError('There is nothing to compare here.', {
    where: path,
    expected: 'a run folder, `latest`, a folder of records, a record, or HISTORY@COMMIT',
    received: found === undefined ? 'no such file or folder' : 'neither run.json nor records',
    fix: 'Name the folder that `run` wrote, or a history with a commit, e.g. history@latest.',
  });
}

/** The run that a folder of records is part of; the folder itself for records that lie elsewhere. */
async function runOf(folder: string): Promise<string> {
  return (await exists(join(dirname(folder), 'scores'))) ? dirname(folder) : folder;
}
