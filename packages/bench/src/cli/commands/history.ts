import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { InputError, MissingDataError } from '@kora-bench/core/errors';
import { readSide } from '../../compare/sources.js';
import { asv, readAsv } from '../../history/formats/asv.js';
import { bmf, readBmf } from '../../history/formats/bmf.js';
import type { ExportFormat } from '../../history/formats/format-file.js';
import { githubActionBenchmark } from '../../history/formats/github-action-benchmark.js';
import { csv, parquet } from '../../history/formats/tables.js';
import { additionsOf } from '../../history/history-cells.js';
import type { Additions } from '../../history/history-files.js';
import { appendToHistory, readHistory, removeFromHistory } from '../../history/history-files.js';
import { damageLines, historyText, listHistory } from '../../history/history-list.js';
import { historyRows } from '../../history/history-rows.js';
import type { MarkLine } from '../../history/history-schema.js';
import type { ComparedCell } from '../../measures/compared-cell.js';
import { writeOutput } from '../../records/run-files.js';
import { plural } from '../../table/text-table.js';
import { exitCode, printJson, printMessage, printResult } from './output.js';

interface HistoryOptions {
  /** The folder. */
  readonly history: string;
}

const exportFormats: readonly ExportFormat[] = [bmf, githubActionBenchmark, asv, csv, parquet];

export interface AddOptions extends HistoryOptions {
  /** Of the code that is measured, where that is not the suite's own. */
  readonly commit?: string;
}

/** Adds the finished cells of runs. */
export async function addToHistory(
  runs: readonly string[],
  { history, commit }: AddOptions,
): Promise<number> {
  const found: ComparedCell[] = [];
  for (const run of runs) {
    const { cells, problems } = await readSide(run);
    for (const problem of problems) printMessage(`Not read: ${problem}`);
    found.push(...cells.map((cell) => (commit === undefined ? cell : { ...cell, commit, dirty: false })));
  }
  const { additions, unfinished } = additionsOf(found);
  await append(resolve(history), additions);
  if (unfinished > 0) printMessage(`${plural(unfinished, 'failed cell')} left out.`);
  return exitCode.done;
}

async function append(folder: string, additions: Additions): Promise<void> {
  const { added, known } = await appendToHistory(folder, additions);
  const lines = [...added.values()].reduce((sum, count) => sum + count, 0);
  printResult(
    `${plural(lines, 'result')} added to ${added.size} series of ${folder}${known > 0 ? `; ${known} known already` : ''}.`,
  );
}

/** Shows the series, their shifts and marks. */
export async function showHistory({
  history,
  json,
}: HistoryOptions & { readonly json?: boolean }): Promise<number> {
  const read = await readHistory(resolve(history));
  if (json) printJson({ series: listHistory(read), damaged: read.damaged });
  else printResult(historyText(read));
  return exitCode.done;
}

export interface AcceptOptions extends HistoryOptions {
  readonly series?: string;
  readonly measure?: string;
  readonly by?: string;
}

/** Marks that a person accepted the change at a commit. */
export async function acceptInHistory(commit: string, text: string, options: AcceptOptions): Promise<number> {
  const folder = resolve(options.history);
  const { series } = await readHistory(folder);
  const wanted = series.filter(
    ({ definition, entries, file }) =>
      entries.some((entry) => entry.commit?.startsWith(commit)) &&
      (options.series === undefined || definition.name === options.series || file.includes(options.series)) &&
      (options.measure === undefined || definition.measures[options.measure] !== undefined),
  );
  if (wanted.length === 0) {
    throw new MissingDataError('The history has no such entry to accept.', {
      where: folder,
      expected: 'a commit, and with --series and --measure a series and a measure, that the history has',
      received: [commit, options.series, options.measure].filter((part) => part !== undefined).join(', '),
      fix: '`history list --json` shows what there is.',
    });
  }
  const by = options.by ?? (await gitUser()) ?? userInfo().username;
  const date = new Date().toISOString();
  const mark = {
    historyVersion: 1,
    kind: 'mark',
    date,
    commit,
    measure: options.measure ?? null,
    text,
    by,
  } as const;
  const id = createHash('sha256').update(JSON.stringify(mark)).digest('hex').slice(0, 16);
  const line: MarkLine = { ...mark, id };
  await appendToHistory(folder, new Map(wanted.map(({ file }) => [file, [line]])));
  printResult(`Accepted in ${wanted.map(({ definition }) => definition.name).join(', ')}.`);
  return exitCode.done;
}

async function gitUser(): Promise<string | undefined> {
  return promisify(execFile)('git', ['config', 'user.name']).then(
    ({ stdout }) => stdout.trim() || undefined,
    () => undefined,
  );
}

export interface PruneOptions extends HistoryOptions {
  /** Newest entries of each series and seed that stay. */
  readonly keep?: number;
  /** A date; what is older goes. */
  readonly before?: string;
  /** Whether what was measured with changes that were not committed goes. */
  readonly dirty?: boolean;
}

/** Removes entries. Entries of commits with a mark stay. */
export async function pruneHistory({ history, keep, before, dirty }: PruneOptions): Promise<number> {
  if (keep === undefined && before === undefined && !dirty) {
    throw new InputError('It is not said what to remove.', {
      where: '--keep, --before, --dirty',
      expected: 'at least one of them',
      received: 'none',
      fix: 'E.g. --keep 500, or --before 2026-01-01.',
    });
  }
  const limit = before === undefined ? undefined : Date.parse(before);
  if (Number.isNaN(limit)) {
    throw new InputError('This is not a date.', {
      where: '--before',
      expected: 'a date such as 2026-01-31',
      received: before!,
      fix: 'Write year, month and day.',
    });
  }
  const removed = await removeFromHistory(resolve(history), ({ entries, marks }, entry) => {
    if (marks.some(({ commit }) => entry.commit?.startsWith(commit))) return true;
    const newer = entries.filter(({ seed, date }) => seed === entry.seed && date > entry.date).length;
    const isOld = limit !== undefined && Date.parse(entry.date) < limit;
    return !(isOld || (dirty && entry.dirty === true) || (keep !== undefined && newer >= keep));
  });
  const count = [...removed.values()].reduce((sum, one) => sum + one, 0);
  printResult(`${count} removed from ${removed.size} series.`);
  return exitCode.done;
}

/** Writes the history in a format of others. */
export async function exportHistory({
  history,
  format,
  out,
}: HistoryOptions & { readonly format: string; readonly out: string }): Promise<number> {
  const read = await readHistory(resolve(history));
  for (const line of damageLines(read)) printMessage(line);
  const rows = historyRows(read);
  if (rows.length === 0) {
    throw new MissingDataError('The history is empty.', {
      where: resolve(history),
      expected: 'at least one entry',
      received: 'none',
      fix: '`history add RUN` adds a run.',
    });
  }
  const { write, holds } = exportFormats.find(({ name }) => name === format)!;
  const files = write(rows);
  for (const { path, content } of files) await writeOutput(join(resolve(out), path), content);
  printResult(files.map(({ path }) => join(resolve(out), path)).join('\n'));
  if (holds === 'newest') printMessage(`${format} holds the newest values alone.`);
  const unfiled = rows.filter(({ commit }) => commit === null).length;
  if (format === 'asv' && unfiled > 0) printMessage(`${unfiled} values without a commit are left out.`);
  return exitCode.done;
}

export interface ImportOptions extends HistoryOptions {
  readonly format: 'asv' | 'bmf';
  /** Of BMF, which says neither. */
  readonly testbed?: string;
  readonly commit?: string;
  readonly date?: string;
}

/** Adds results of asv or in Bencher's format. */
export async function importHistory(path: string, options: ImportOptions): Promise<number> {
  const from = resolve(path);
  if (options.format === 'asv') {
    const { files, problems } = await readAsv(from);
    for (const problem of problems) printMessage(`Not read: ${problem}`);
    await append(resolve(options.history), files);
    return exitCode.done;
  }
  const text = await readFile(from, 'utf8').catch((error: Error) => {
    throw new MissingDataError('The file cannot be read.', {
      where: from,
      expected: 'a JSON file in Bencher’s format',
      received: error.message,
      fix: 'Check the path.',
    });
  });
  const time = options.date === undefined ? Date.now() : Date.parse(options.date);
  if (Number.isNaN(time)) {
    throw new InputError('This is not a date.', {
      where: '--date',
      expected: 'a date such as 2026-01-31',
      received: options.date!,
      fix: 'Write year, month and day.',
    });
  }
  const files = readBmf(text, {
    testbed: options.testbed ?? 'imported',
    commit: options.commit ?? null,
    date: new Date(time).toISOString(),
    from: basename(from),
  });
  await append(resolve(options.history), files);
  return exitCode.done;
}
