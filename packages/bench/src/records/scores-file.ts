import { join } from 'node:path';
import type { ImageSplit } from '@kora-bench/core';
import type { ReportProgress } from '@kora-bench/trainer';
import { stringify } from 'csv-stringify/sync';
import { writeOutput } from './write-output.js';

/** The scores of every example of one evaluation. */
export interface ScoresSpec {
  /** E.g. `source/test`. */
  readonly name: string;
  readonly split: ImageSplit;
  readonly scores: Readonly<Record<string, ArrayLike<number>>>;
}

/**
 * Writes `scores/<cell>.<evaluation>.csv` into the run folder: one line per example, its path first, so that
 * two cells can be compared example by example. A file that cannot be written is reported and costs nothing else.
 * @returns its path from the run folder, or null
 */
export async function writeScores(
  { runDir, cell }: { readonly runDir: string; readonly cell: { readonly id: string } },
  { name, split, scores }: ScoresSpec,
  report: ReportProgress,
): Promise<string | null> {
  const columns = Object.entries(scores);
  const rows = split.paths.map((path, i) => [path, ...columns.map(([, values]) => numberText(values[i]!))]);
  const file = `scores/${cell.id}.${name.replace(/[^a-z0-9]+/gi, '-')}.csv`;
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

/** Nine significant digits give every float32 back; what has no value is empty. */
function numberText(value: number): string {
  if (!Number.isFinite(value)) return '';
  return Number.isInteger(value) ? String(value) : String(Number(value.toPrecision(9)));
}
