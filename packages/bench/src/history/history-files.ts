import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { InputError, MissingDataError } from '@kora-bench/core/errors';
import { makeFolder, writeFileAtomic } from '@kora-bench/platform-node/atomic-file';
import { lockWhenFree } from '../records/run-lock.js';
import type { EntryLine, HistoryLine, MarkLine, SeriesLine } from './history-schema.js';
import { historyLineSchema } from './history-schema.js';

/** A series as its file tells it. */
export interface StoredSeries {
  /** From the history's folder, `<testbed>/<series>.jsonl`. */
  readonly file: string;
  readonly definition: SeriesLine;
  /** In order of time, each once. */
  readonly entries: readonly EntryLine[];
  readonly marks: readonly MarkLine[];
}

/** A line that cannot be read. It stays in its file. */
export interface DamagedLine {
  readonly file: string;
  /** From 1. */
  readonly line: number;
  readonly reason: string;
}

export interface History {
  readonly folder: string;
  readonly series: readonly StoredSeries[];
  readonly damaged: readonly DamagedLine[];
}

/**
 * Reads a history. Lines that are damaged, and the markers of a merge that git left open, are passed over and listed.
 * @throws MissingDataError where there is no such folder
 */
export async function readHistory(folder: string): Promise<History> {
  const found = await stat(folder).catch(() => undefined);
  if (found === undefined || !found.isDirectory()) {
    throw new MissingDataError('There is no history here.', {
      where: folder,
      expected: 'a folder with a folder for each machine',
      received: found === undefined ? 'no such folder' : 'a file',
      fix: 'Begin one with `history add RUN`, or name another folder with --history.',
    });
  }
  const series: StoredSeries[] = [];
  const damaged: DamagedLine[] = [];
  for (const testbed of await foldersIn(folder)) {
    const files = (await readdir(join(folder, testbed))).filter((name) => name.endsWith('.jsonl')).sort();
    for (const name of files) {
      const file = `${testbed}/${name}`;
      const text = await readFile(join(folder, file), 'utf8').catch((error: Error) => error);
      if (text instanceof Error) {
        damaged.push({ file, line: 1, reason: `The file cannot be read: ${text.message}.` });
        continue;
      }
      const parsed = parseLines(text);
      damaged.push(...parsed.damaged.map((one) => ({ file, ...one })));
      const own = seriesOf(file, parsed.lines);
      if (own !== null) series.push(own);
      else if (parsed.lines.length > 0)
        damaged.push({
          file,
          line: 1,
          reason: 'No line says what the series is; its entries are passed over.',
        });
    }
  }
  return { folder, series, damaged };
}

async function foldersIn(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true });
  return entries
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => name)
    .sort();
}

interface ParsedLines {
  readonly lines: readonly HistoryLine[];
  readonly damaged: readonly Omit<DamagedLine, 'file'>[];
}

const conflictMarker = /^(<{7}|={7}|>{7}|\|{7})( |$)/;

/** The lines of a file of a history. */
export function parseLines(text: string): ParsedLines {
  const lines: HistoryLine[] = [];
  const damaged: Omit<DamagedLine, 'file'>[] = [];
  for (const [i, line] of text.split('\n').entries()) {
    if (line.trim() === '') continue;
    const refuse = (reason: string) => damaged.push({ line: i + 1, reason });
    if (conflictMarker.test(line)) {
      refuse('A marker of a merge with a conflict; the lines of both sides are read.');
      continue;
    }
    let value: unknown;
    try {
      value = JSON.parse(line);
    } catch {
      refuse('The line is not JSON; it may be cut off.');
      continue;
    }
    const result = historyLineSchema.safeParse(value);
    const { historyVersion } = (value ?? {}) as { readonly historyVersion?: unknown };
    if (result.success) lines.push(result.data);
    else if (typeof historyVersion === 'number' && historyVersion > 1) {
      refuse(`A newer version of the suite wrote it (historyVersion ${historyVersion}); update to read it.`);
    } else {
      const { path, message } = result.error.issues[0]!;
      refuse(`${path.join('.') || 'the whole'}: ${message}`);
    }
  }
  return { lines, damaged };
}

/** Null where no line says what the series is. */
function seriesOf(file: string, lines: readonly HistoryLine[]): StoredSeries | null {
  const definitions = lines.filter((line) => line.kind === 'series');
  const last = definitions.at(-1);
  if (last === undefined) return null;
  const once = <T extends { readonly id: string; readonly date: string }>(all: readonly T[]) =>
    [...new Map(all.map((one) => [one.id, one])).values()].toSorted((a, b) =>
      a.date < b.date ? -1 : a.date > b.date ? 1 : a.id < b.id ? -1 : 1,
    );
  return {
    file,
    definition: { ...last, measures: Object.assign({}, ...definitions.map(({ measures }) => measures)) },
    entries: once(lines.filter((line) => line.kind === 'entry')),
    marks: once(lines.filter((line) => line.kind === 'mark')),
  };
}

/** What is to be written into a history: the new lines of each file, `<testbed>/<series>.jsonl`. */
export type Additions = ReadonlyMap<string, readonly HistoryLine[]>;

/** What came of it. */
export interface AddedLines {
  /** Lines that are new, by file. */
  readonly added: ReadonlyMap<string, number>;
  /** Lines that were there already. */
  readonly known: number;
}

/**
 * Appends lines that are not there yet. Each file is replaced as a whole by one with the new lines at its end, so that
 * a full disk or a crash leaves it as it was; whatever else is in it stays as it is. One process at a time.
 * @throws InputError where the folder cannot be written; files before the failing one have their lines, and adding all
 *   again adds the rest
 */
export async function appendToHistory(folder: string, additions: Additions): Promise<AddedLines> {
  return withHistory(folder, async () => {
    await writeAttributes(folder);
    const added = new Map<string, number>();
    let known = 0;
    for (const [file, lines] of additions) {
      const before = await readWhole(folder, file);
      const there = new Set(parseLines(before).lines.map(identityOf));
      const fresh = lines.filter((line) => {
        const isNew = !there.has(identityOf(line));
        if (!isNew && line.kind === 'entry') known++;
        there.add(identityOf(line));
        return isNew;
      });
      if (fresh.length === 0) continue;
      const gap = before === '' || before.endsWith('\n') ? '' : '\n';
      const text = fresh.map((line) => `${JSON.stringify(line)}\n`).join('');
      await write(folder, file, `${before}${gap}${text}`, added.size);
      added.set(file, fresh.filter(({ kind }) => kind !== 'series').length);
    }
    return { added, known };
  });
}

/** Empty where there is no such file yet; one that cannot be read must not be replaced. */
async function readWhole(folder: string, file: string): Promise<string> {
  try {
    return await readFile(join(folder, file), 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return '';
    throw new InputError('A file of the history cannot be read, so nothing is added to it.', {
      where: join(folder, file),
      expected: 'a readable file',
      received: (error as Error).message,
      fix: 'Correct the permissions, or move it away.',
      cause: error,
    });
  }
}

/** Lines that say the same. */
function identityOf(line: HistoryLine): string {
  return line.kind === 'series' ? JSON.stringify(line) : `${line.kind} ${line.id}`;
}

/**
 * Removes entries from a history; everything else, damaged lines too, stays.
 * @param isKept decides for each entry
 * @returns how many were removed, by file
 */
export async function removeFromHistory(
  folder: string,
  isKept: (series: StoredSeries, entry: EntryLine) => boolean,
): Promise<ReadonlyMap<string, number>> {
  return withHistory(folder, async () => {
    const removed = new Map<string, number>();
    for (const series of (await readHistory(folder)).series) {
      const gone = new Set(series.entries.filter((entry) => !isKept(series, entry)).map(({ id }) => id));
      if (gone.size === 0) continue;
      const text = await readFile(join(folder, series.file), 'utf8');
      const left = text.split('\n').filter((line) => {
        const [parsed] = parseLines(line).lines;
        return parsed === undefined || parsed.kind !== 'entry' || !gone.has(parsed.id);
      });
      await write(folder, series.file, left.join('\n'), removed.size);
      removed.set(series.file, gone.size);
    }
    return removed;
  });
}

async function write(folder: string, file: string, text: string, done: number): Promise<void> {
  try {
    await writeFileAtomic(join(folder, file), text);
  } catch (error) {
    throw new InputError('The history cannot be written.', {
      where: join(folder, file),
      expected: 'a writable folder with enough space',
      received: error instanceof Error ? error.message : String(error),
      fix: `Free space or correct the permissions and give the same command again. This file is as it was; ${done} before it are done.`,
      cause: error,
    });
  }
}

/** Git keeps the lines of both sides of a merge: their order means nothing. */
async function writeAttributes(folder: string): Promise<void> {
  const path = join(folder, '.gitattributes');
  if (await stat(path).catch(() => undefined)) return;
  await write(folder, '.gitattributes', '*.jsonl text eol=lf merge=union\n', 0);
}

/** Another process that writes is waited for this long. */
const patienceMs = 20_000;

async function withHistory<T>(folder: string, work: () => Promise<T>): Promise<T> {
  try {
    makeFolder(folder);
  } catch (error) {
    throw new InputError('The history cannot be written.', {
      where: folder,
      expected: 'a writable folder',
      received: (error as Error).message,
      fix: 'Correct the permissions, or name another folder with --history.',
    });
  }
  const lease = await lockWhenFree(folder, patienceMs);
  try {
    return await work();
  } finally {
    await lease.release();
  }
}
