import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { FormatError } from '@kora-bench/core/errors';
import { parse } from 'csv-parse/sync';

/** The scores of every example of an evaluation, by column. */
export interface Scores {
  readonly paths: readonly string[];
  readonly columns: ReadonlyMap<string, Float64Array>;
}

/**
 * Reads a file of scores.
 * @returns null where it is not there
 * @throws FormatError for a file that is not what it should be
 */
export async function readScores(runDir: string, file: string | null): Promise<Scores | null> {
  if (file === null) return null;
  const path = join(runDir, file);
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null;
    throw error;
  });
  if (text === null) return null;
  let rows: string[][];
  try {
    rows = parse(text) as string[][];
  } catch (error) {
    throw damaged(path, (error as Error).message);
  }
  const [header, ...lines] = rows;
  if (header?.[0] !== 'path') throw damaged(path, `a first line of ${header?.join(',') ?? 'nothing'}`);
  const columns = header.slice(1).map((name, i) => {
    const values = Float64Array.from(lines, (line) =>
      line[i + 1] === '' ? Number.NaN : Number(line[i + 1]),
    );
    return [name, values] as const;
  });
  return { paths: lines.map(([first]) => first!), columns: new Map(columns) };
}

function damaged(path: string, received: string): FormatError {
  return new FormatError('A file of scores is not valid.', {
    where: path,
    expected: 'CSV with the columns path and one for each score',
    received,
    fix: 'Run with --resume after deleting the cell’s record, to make both again.',
  });
}

/** Files of scores, each read once: several metrics come from one. */
export class ScoreFiles {
  readonly #read = new Map<string, Promise<Scores | null>>();

  /** As {@link readScores}. */
  read(runDir: string, file: string | null): Promise<Scores | null> {
    const key = `${runDir}\n${file}`;
    const reading = this.#read.get(key) ?? readScores(runDir, file);
    this.#read.set(key, reading);
    return reading;
  }
}
